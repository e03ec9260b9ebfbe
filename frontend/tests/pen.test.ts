import { describe, expect, test } from "vitest";
import { asRows, BLANK, distance, RADIUS, SIDE, stroked, withCell } from "../src/digits/pen";

describe("the pen", () => {
  test("distances are those of a segment, not of its line", () => {
    const [from, to] = [{ x: 0, y: 0 }, { x: 3, y: 0 }];
    expect(distance({ x: 1, y: 2 }, from, to)).toBe(2);
    expect(distance({ x: 6, y: 4 }, from, to)).toBe(5);
    expect(distance({ x: 3, y: 4 }, from, from)).toBe(5);
  });

  test("a stroke inks the cells whose middle is near, and rubs them out again", () => {
    const [from, to] = [{ x: 4.5, y: 8.5 }, { x: 11.5, y: 8.5 }];
    const ink = stroked(BLANK, from, to);
    asRows(ink).forEach((cells, row) =>
      cells.forEach((cell, column) => {
        const near = Math.hypot(Math.max(4 - column, column - 11, 0), row - 8) <= RADIUS;
        expect([row, column, cell]).toEqual([row, column, near ? 1 : 0]);
      }),
    );
    expect(stroked(ink, from, to)).toBe(ink);
    expect(stroked(ink, from, to, true)).toBe(BLANK);
  });

  test("one cell by keyboard", () => {
    const ink = withCell(BLANK, 2, 5, true);
    expect(ink.indexOf("1")).toBe(2 * SIDE + 5);
    expect(withCell(ink, 2, 5, false)).toBe(BLANK);
  });
});
