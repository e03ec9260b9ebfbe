/* Names of numbers, as Python's `why` knows them. */
import type { NetworkState } from "../messages";

export function layerName(layer: number, n: number): string {
  return layer === n - 1 ? "output" : `layer${layer + 1}`;
}

export interface Place {
  kind: "input" | "target" | "weight" | "bias" | "other";
  layer: number;
  unit: number;
  part: number;
  row: number | null;
}

/** A connection between two neurons, by its place. */
export interface Synapse {
  layer: number;
  unit: number;
  part: number;
  name: string;
}

/** Whether a number is this one or one of it: a slope of a weight, but no weight whose name only begins the same. */
export function isOf(asked: string, name: string): boolean {
  return asked === name || asked.startsWith(`${name}.`);
}

/** Where a number is that can be changed by hand; kind `other` for those that are computed. */
export function placeOf(name: string, n: number): Place {
  const none: Place = { kind: "other", layer: -1, unit: -1, part: -1, row: null };
  const rowed = /^row(\d+)\.(.+)$/.exec(name);
  const row = rowed ? Number(rowed[1]) - 1 : null;
  const rest = rowed ? rowed[2] : name;
  const given = /^(input|target)\.(\d+)$/.exec(rest);
  if (given) return { ...none, kind: given[1] as "input" | "target", unit: Number(given[2]) - 1, row };
  const found = /^(layer\d+|output)\.neuron(\d+)\.(?:weight(\d+)|bias)$/.exec(rest);
  if (!found) return none;
  const layer = found[1] === "output" ? n - 1 : Number(found[1].slice(5)) - 1;
  const unit = Number(found[2]) - 1;
  if (found[3]) return { kind: "weight", layer, unit, part: Number(found[3]) - 1, row };
  return { kind: "bias", layer, unit, part: -1, row };
}

export function valueAt(state: NetworkState, place: Place): number | null {
  const example = state.examples[place.row ?? state.row];
  if (place.kind === "input") return example?.x[place.unit] ?? null;
  if (place.kind === "target") return example?.target[place.unit] ?? null;
  if (place.kind === "weight") return state.layers[place.layer]?.weights[place.unit]?.[place.part] ?? null;
  if (place.kind === "bias") return state.layers[place.layer]?.biases[place.unit] ?? null;
  return null;
}

/** A list with one entry changed; the others are the same. */
function put<T>(list: readonly T[], at: number, change: (before: T) => T): T[] {
  return list.map((one, k) => (k === at ? change(one) : one));
}

/** The same network with one number changed: whatever it is no part of stays the same object, and is not drawn again. */
export function withValue(state: NetworkState, place: Place, value: number): NetworkState {
  const { kind, layer, unit, part } = place;
  const given = () => value;
  if (kind === "weight") return { ...state, layers: put(state.layers, layer, (one) => ({ ...one, weights: put(one.weights, unit, (row) => put(row, part, given)) })) };
  if (kind === "bias") return { ...state, layers: put(state.layers, layer, (one) => ({ ...one, biases: put(one.biases, unit, given) })) };
  const row = place.row ?? state.row;
  if (kind === "input") return { ...state, examples: put(state.examples, row, (one) => ({ ...one, x: put(one.x, unit, given) })) };
  if (kind === "target") return { ...state, examples: put(state.examples, row, (one) => ({ ...one, target: put(one.target, unit, given) })) };
  return state;
}
