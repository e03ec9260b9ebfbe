/* The pen: which cells of the grid a stroke inks. */
export const SIDE = 16;
export const RADIUS = 0.85; // of a stroke, in cells: about as thick as the digits learned from

export interface Point {
  x: number;
  y: number;
}

/** The grid after a stroke from one point to another, both in cells; the same grid if nothing changed. */
export function stroked(ink: string, from: Point, to: Point, isErasing = false): string {
  const mark = isErasing ? "1" : "0";
  let after = "";
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      const before = ink[row * SIDE + column];
      const isNear = distance({ x: column + 0.5, y: row + 0.5 }, from, to) <= RADIUS;
      after += isNear && before === mark ? (isErasing ? "0" : "1") : before;
    }
  }
  return after === ink ? ink : after;
}

/** The distance of a point from a segment. */
export function distance(point: Point, from: Point, to: Point): number {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = dx * dx + dy * dy;
  const along = length === 0 ? 0 : Math.max(0, Math.min(1, ((point.x - from.x) * dx + (point.y - from.y) * dy) / length));
  return Math.hypot(point.x - from.x - along * dx, point.y - from.y - along * dy);
}

/** The grid with one cell inked or rubbed out. */
export function withCell(ink: string, row: number, column: number, isInk: boolean): string {
  const at = row * SIDE + column;
  return ink.slice(0, at) + (isInk ? "1" : "0") + ink.slice(at + 1);
}

export const BLANK = "0".repeat(SIDE * SIDE);

/** A drawing as rows of numbers. */
export function asRows(ink: string): number[][] {
  return Array.from({ length: SIDE }, (_, row) => [...ink.slice(row * SIDE, (row + 1) * SIDE)].map(Number));
}
