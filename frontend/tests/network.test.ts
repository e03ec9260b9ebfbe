import { describe, expect, test } from "vitest";
import type { NetworkState } from "../src/messages";
import { along, bodyOf, lay, placeLabels, scaleOf, titleBox } from "../src/network/layout";
import { isOf, layerName, placeOf, valueAt, withValue } from "../src/network/names";

/* The network worked out by hand, its first two layers left out: rows of weights are neurons. */
const STATE: NetworkState = {
  layers: [
    { activation: "sigmoid", weights: [[1, -2], [-1, 1]], biases: [1, 0] },
    { activation: "sigmoid", weights: [[3, -1], [-1, 4]], biases: [-2, 2] },
  ],
  examples: [{ x: [1, -1], target: [1, 0] }, { x: [0, 0], target: [0, 1] }],
  row: 0,
  loss: "squared_error",
  learning_rate: 0.5,
};

describe("names of numbers", () => {
  test("the last layer is the output", () => {
    expect([0, 1, 2].map((layer) => layerName(layer, 3))).toEqual(["layer1", "layer2", "output"]);
  });

  test.each([
    ["layer1.neuron2.weight1", -1],
    ["output.neuron2.bias", 2],
    ["input.2", -1],
    ["row2.input.1", 0],
    ["target.1", 1],
    ["output.neuron1.a", null],
  ])("%s stands where Python says", (name, value) => {
    expect(valueAt(STATE, placeOf(name, 2))).toBe(value);
  });

  test("a weight is marked with what is asked of it, and not with another that begins like it", () => {
    const name = "layer1.neuron1.weight1";
    expect(["", ".gradient", "2"].map((rest) => isOf(name + rest, name))).toEqual([true, true, false]);
  });

  test("one number is changed, in a copy", () => {
    const place = placeOf("layer1.neuron2.weight1", 2);
    const changed = withValue(STATE, place, 7);
    expect(valueAt(changed, place)).toBe(7);
    expect(valueAt(STATE, place)).toBe(-1);
    expect(changed.layers[1]).toEqual(STATE.layers[1]);
  });
});

describe("what does not change stays the same object, and is not drawn again", () => {
  test("of a weight its row and its layer change alone", () => {
    const next = withValue(STATE, placeOf("output.neuron2.weight1", 2), 7);
    expect(next.layers[1].weights).toEqual([[3, -1], [7, 4]]);
    expect(next.layers[0]).toBe(STATE.layers[0]);
    expect(next.layers[1].weights[0]).toBe(STATE.layers[1].weights[0]);
    expect(next.layers[1].biases).toBe(STATE.layers[1].biases);
    expect(next.examples).toBe(STATE.examples);
    expect(STATE.layers[1].weights[1]).toEqual([-1, 4]);
  });

  test("what cannot be changed by hand changes nothing", () => {
    expect(withValue(STATE, placeOf("output.neuron1.a", 2), 7)).toBe(STATE);
  });

  test("lines stay as wide as they are while a weight moves a little", () => {
    const layers = [{ weights: [[1, -4]] }, { weights: [[0.5]] }];
    expect(scaleOf(layers)).toBe(4);
    expect(scaleOf([{ weights: [[3.9]] }])).toBeCloseTo(4, 9);
    expect(scaleOf([{ weights: [[4.1]] }])).toBe(scaleOf([{ weights: [[5.5]] }]));
    for (const largest of [0.01, 0.7, 1, 1.01, 63]) {
      const scale = scaleOf([{ weights: [[largest]] }]);
      expect(scale).toBeGreaterThanOrEqual(largest * (1 - 1e-9));
      expect(scale).toBeLessThanOrEqual(largest * 1.4143);
    }
  });
});

describe("where neurons stand", () => {
  test.each([
    [[2, 2, 2, 2], 900],
    [[2, 3, 2], 360],
    [[16, 16, 16, 16, 16], 900],
    [[16, 16, 16], 360],
  ])("%j fit into %d, and none covers another", (sides, width) => {
    const found = lay(sides, width);
    expect(found.isUpright).toBe(width < 620);
    expect(found.spots.map((one) => one.length)).toEqual(sides);
    for (const spots of found.spots) {
      for (const spot of spots) {
        expect(spot.x - found.radius).toBeGreaterThanOrEqual(0);
        expect(spot.x + found.radius).toBeLessThanOrEqual(width);
        expect(spot.y + found.radius).toBeLessThanOrEqual(found.height);
      }
      for (let k = 1; k < spots.length; k += 1) {
        const apart = Math.hypot(spots[k].x - spots[k - 1].x, spots[k].y - spots[k - 1].y);
        expect(apart).toBeGreaterThan(2 * found.radius);
      }
    }
  });

  test.each([[2, true], [3, false], [4, false]])("numbers of %d neurons side by side on a phone stand beside them: %s", (side, isBeside) => {
    const found = lay([side, side, side], 345);
    expect([found.isUpright, found.detail, found.isBeside]).toEqual([true, 2, isBeside]);
    const [first, second] = found.spots[1];
    const widest = 56; // "δ −0.123"
    if (isBeside) expect(second.x - first.x).toBeGreaterThan(2 * found.radius + widest + 36); // and a bias
    else expect(found.titles[2].y - 12).toBeGreaterThan(first.y + found.radius + 45); // below δ
    expect(second.x - first.x).toBeGreaterThan(widest);
  });

  test("a synapse goes from edge to edge", () => {
    const [from, to] = [{ x: 0, y: 0 }, { x: 100, y: 0 }];
    expect(along(from, to, 10, 0)).toEqual({ x: 10, y: 0 });
    expect(along(from, to, 10, 1)).toEqual({ x: 90, y: 0 });
    expect(along(from, to, 10, 0.5)).toEqual({ x: 50, y: 0 });
  });

  test.each([[[2, 8, 1], 700], [[2, 8, 1], 345], [[8, 8, 8], 700], [[3, 4, 3], 345]])("labels of %j at %d cover nothing, and none is cut", (sides, width) => {
    const found = lay(sides, width);
    const bodies = found.spots.flatMap((spots, layer) => spots.map((spot) => bodyOf(spot, found, layer === 0)));
    const places = sides.slice(1).flatMap((side, layer) =>
      Array.from({ length: side * sides[layer] }, (_, k) => [0.6, 0.5, 0.7].map((share) => along(found.spots[layer][k % sides[layer]], found.spots[layer + 1][Math.floor(k / sides[layer])], found.radius, share))),
    );
    const boxes = placeLabels(places, { width: 49, height: 22 }, bodies);
    const drawn = boxes.filter((one) => one !== null);
    expect(boxes.length).toBe(places.length);
    expect(drawn.length).toBeGreaterThan(3);
    drawn.forEach((one, k) => {
      for (const other of [...bodies, ...drawn.slice(0, k)]) {
        expect(Math.abs(one.x - other.x) >= (one.width + other.width) / 2 || Math.abs(one.y - other.y) >= (one.height + other.height) / 2).toBe(true);
      }
    });
  });

  test("a title in Chinese is as wide as it is", () => {
    const found = lay([2, 2], 345);
    const [english, chinese] = ["Input", "输入"].map((text) => titleBox(found.titles[0], text, found));
    expect(chinese.width).toBeCloseTo(8 + 2 * 13, 6);
    expect(english.width).toBeCloseTo(8 + 5 * 7.4, 6);
    expect(english.x - english.width / 2).toBeLessThanOrEqual(found.titles[0].x);
  });
});
