import { describe, expect, test } from "vitest";
import { brief, fill, percent, seconds, short, signed, within } from "../src/numbers";

describe("numbers as people read them", () => {
  test.each([
    [0.9820137, "0.98"],
    [-2, "−2.00"],
    [0, "0.00"],
    [0.0041, "0.004"],
    [0.00000071, "7e−7"],
    [1234.56, "1235"],
    [250_000, "2.5e+5"],
    [Infinity, "Infinity"],
  ])("%d is brief as %s", (value, text) => expect(brief(value)).toBe(text));

  test("whole numbers stay whole", () => {
    expect(short(3)).toBe("3");
    expect(short(-1)).toBe("−1");
    expect(short(0.5)).toBe("0.50");
  });

  test("a minus of a number is one, a hyphen in a name is not", () => {
    expect(signed("-2 * -1")).toBe("−2 * −1");
    expect(signed("layer-1")).toBe("layer-1");
    expect(signed("3 - 2")).toBe("3 - 2");
  });

  test("what is typed stays within its limits", () => {
    expect(within(7, 1, 6, 3)).toBe(6);
    expect(within(0, 1, 6, 3)).toBe(1);
    expect(within(2, 1, 6, 3)).toBe(2);
    for (const nothing of [NaN, null, undefined]) expect(within(nothing, 1, 6, 3)).toBe(3);
  });

  test("shares and times", () => {
    expect(percent(0.123)).toBe("12.3%");
    expect(seconds(59.4)).toBe("59 s");
    expect(seconds(75)).toBe("1:15");
  });
});

test.each([
  [[1, 1], "1 row, 1 column of 1"],
  [["1,000", 2], "1,000 rows, 2 columns of 2"],
  [[0, 11], "0 rows, 11 columns of 11"],
])("%j are counted as English does", (values, told) => {
  expect(fill("{0:row|rows}, {1:column|columns} of {1}", values)).toBe(told);
});
