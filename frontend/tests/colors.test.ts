import { describe, expect, test } from "vitest";
import { contrast, mix, readableOn, type Rgb } from "../src/colors";

const INKS: Record<string, Rgb> = { "#000": [0, 0, 0], "#fff": [255, 255, 255] };

describe("what stands on a coloured ground", () => {
  test("black and white differ the most", () => {
    expect(contrast([0, 0, 0], [255, 255, 255])).toBeCloseTo(21, 6);
    expect(contrast([9, 9, 9], [9, 9, 9])).toBe(1);
  });

  test.each<[string, Rgb, Rgb]>([["light", [255, 255, 255], [29, 78, 216]], ["dark", [22, 28, 37], [96, 165, 250]]])("is read on every blue of the %s theme", (_, panel, blue) => {
    for (let share = 0; share <= 1; share += 0.02) {
      const ground = mix(panel, blue, share);
      expect(contrast(INKS[readableOn(ground)], ground)).toBeGreaterThan(4.5); // what WCAG asks of small writing
    }
  });
});
