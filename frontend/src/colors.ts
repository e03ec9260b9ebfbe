/* Colours of the theme, for what is drawn on canvas. */
export type Rgb = [number, number, number];
export interface Palette {
  panel: Rgb;
  ink: Rgb;
  pos: Rgb;
  neg: Rgb;
}

/** Read a colour of any way of writing it, as the browser does. */
function parse(text: string): Rgb {
  const context = document.createElement("canvas").getContext("2d");
  if (!context) return [128, 128, 128];
  context.fillStyle = text.trim();
  const hex = context.fillStyle.slice(1);
  return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)) as Rgb;
}

const known = new Map<string, Palette>();

/** The colours of a theme, read when it is first seen; who draws with them draws again when it changes. */
export function palette(theme: string): Palette {
  const before = known.get(theme);
  if (before) return before;
  const style = getComputedStyle(document.documentElement);
  const of = (name: string) => parse(style.getPropertyValue(name));
  const found = { panel: of("--panel"), ink: of("--ink"), pos: of("--pos"), neg: of("--neg") };
  known.set(theme, found);
  return found;
}

export function mix(from: Rgb, to: Rgb, share: number): Rgb {
  const part = Math.max(0, Math.min(1, share));
  return from.map((one, at) => Math.round(one + (to[at] - one) * part)) as Rgb;
}

/** How bright a colour is to the eye, as contrast is computed from it (WCAG 2). */
function luminance(color: Rgb): number {
  const [red, green, blue] = color.map((one) => (one <= 10 ? one / 3294 : ((one / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** By how much two colours differ: 1 to 21; small writing needs 4.5. */
export function contrast(a: Rgb, b: Rgb): number {
  const [low, high] = [luminance(a), luminance(b)].sort((one, other) => one - other);
  return (high + 0.05) / (low + 0.05);
}

/** Black or white, whichever is read better on a ground: one of them differs from any by 4.5 or more. */
export function readableOn(ground: Rgb): string {
  return contrast([0, 0, 0], ground) >= contrast([255, 255, 255], ground) ? "#000" : "#fff";
}

export type Tone = "ink" | "signed";

/** The colour of a value: nothing is the paper, the largest is ink; or blue above 0 and orange below. */
export function colorOf(value: number, largest: number, tone: Tone, colors: Palette): Rgb {
  const share = largest > 0 ? Math.abs(value) / largest : 0;
  if (tone === "ink") return mix(colors.panel, colors.ink, value > 0 ? share : 0);
  return mix(colors.panel, value >= 0 ? colors.pos : colors.neg, share);
}
