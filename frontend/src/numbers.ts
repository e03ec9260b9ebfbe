/* Numbers as people read them. */
const MINUS = "\u2212";

/** Two decimals where that says enough, else the digits that matter. */
export function brief(value: number, digits = 2): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  let text: string;
  if (size !== 0 && size < 0.5 * 10 ** -digits) text = size < 1e-4 ? value.toExponential(0) : value.toPrecision(1);
  else if (size >= 1e5) text = value.toExponential(1);
  else if (size >= 1000) text = value.toFixed(0);
  else text = value.toFixed(digits);
  return text.replace("-", MINUS);
}

/** As short as it can be said: 3 rather than 3.00. */
export function short(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e5 ? String(value).replace("-", MINUS) : brief(value);
}

export function signed(text: string): string {
  return text.replace(/(^|[^\w.)\]])-(?=[\d.])/g, `$1${MINUS}`);
}

export function percent(value: number): string {
  return `${(100 * value).toFixed(1)}%`;
}

export function seconds(value: number): string {
  const whole = Math.round(value);
  if (whole < 60) return `${whole} s`;
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** What was typed, within its limits; something else where nothing that is a number was. */
export function within(value: number | null | undefined, low: number, high: number, otherwise: number): number {
  return typeof value === "number" && Number.isFinite(value) ? Math.max(low, Math.min(high, value)) : otherwise;
}

/** A text with values in place of {0}, {1}, …; {0:row|rows} is the word that the first of them asks for. */
export function fill(text: string, values: readonly (string | number)[]): string {
  return text.replace(/\{(\d)(?::([^|}]*)\|([^}]*))?\}/g, (_, place: string, one?: string, many?: string) => {
    const value = String(values[Number(place)]);
    if (many === undefined) return value;
    return `${value} ${value === "1" ? one : many}`;
  });
}
