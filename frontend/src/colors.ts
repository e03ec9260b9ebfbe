/* Colours of the theme, for what is drawn on canvas. */
export type Rgb = [number, number, number];
export interface Palette {
  panel: Rgb;
  ink: Rgb;
  pos: Rgb;
  neg: Rgb;
}

function parse(text: string): Rgb {
  const hex = text.trim().slice(1);
  return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)) as Rgb;
}

/** The colours as they are now; the argument makes whoever draws draw again when the theme changes. */
export function palette(_theme: string): Palette {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string) => parse(style.getPropertyValue(name));
  return { panel: of("--panel"), ink: of("--ink"), pos: of("--pos"), neg: of("--neg") };
}

export function mix(from: Rgb, to: Rgb, share: number): Rgb {
  const part = Math.max(0, Math.min(1, share));
  return from.map((one, at) => Math.round(one + (to[at] - one) * part)) as Rgb;
}

export type Tone = "ink" | "signed";

/** The colour of a value: nothing is the paper, the largest is ink; or blue above 0 and orange below. */
export function colorOf(value: number, largest: number, tone: Tone, colors: Palette): Rgb {
  const share = largest > 0 ? Math.abs(value) / largest : 0;
  if (tone === "ink") return mix(colors.panel, colors.ink, value > 0 ? share : 0);
  return mix(colors.panel, value >= 0 ? colors.pos : colors.neg, share);
}
