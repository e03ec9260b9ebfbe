/* Where neurons stand: layers from left to right, or from top to bottom where it is narrow. */
export interface Spot {
  x: number;
  y: number;
}

export interface Layout {
  width: number;
  height: number;
  radius: number;
  isUpright: boolean;
  /** Whether z, bias and δ stand beside a neuron, not above and below it. */
  isBeside: boolean;
  /** 2: every number; 1: activations and the chosen ones; 0: the chosen ones alone. */
  detail: 0 | 1 | 2;
  spots: Spot[][];
  titles: Spot[];
}

const NARROW = 620;
/** What a neuron with its numbers beside it takes. */
const BESIDE = 150;

export function lay(sides: number[], width: number): Layout {
  const most = Math.max(...sides);
  const detail = most <= 4 ? 2 : most <= 8 ? 1 : 0;
  const isUpright = width < NARROW;
  const n = sides.length;
  if (isUpright) {
    const across = (width - 8) / most;
    const radius = Math.max(5, Math.min(24, across * (detail === 2 ? 0.2 : 0.36)));
    const isBeside = across >= BESIDE;
    const isStacked = detail === 2 && !isBeside;
    const pitch = isStacked ? 176 : detail === 2 ? 148 : 104;
    const top = isStacked ? 60 : 46;
    const spots = sides.map((side, layer) =>
      Array.from({ length: side }, (_, unit) => ({ x: width / 2 + (unit - (side - 1) / 2) * across, y: top + radius + layer * pitch })),
    );
    const titles = sides.map((_, layer) => ({ x: 2, y: top + layer * pitch - (isStacked ? 28 : 14) }));
    return { width, height: top + (n - 1) * pitch + 2 * radius + (isStacked ? 68 : 34), radius, isUpright, isBeside, detail, spots, titles };
  }
  const spacing = detail === 2 ? 146 : detail === 1 ? 62 : Math.max(26, Math.min(40, 640 / most));
  const radius = detail === 2 ? 30 : Math.min(21, spacing * 0.36);
  const side = 74;
  const gap = n > 1 ? Math.min(290, (width - 2 * side) / (n - 1)) : 0;
  const first = (width - gap * (n - 1)) / 2;
  const top = detail === 2 ? 26 : 34;
  const height = top + most * spacing + 10;
  const spots = sides.map((count, layer) =>
    Array.from({ length: count }, (_, unit) => ({ x: first + layer * gap, y: top + ((most - count) / 2 + unit + 0.5) * spacing })),
  );
  const titles = sides.map((_, layer) => ({ x: first + layer * gap, y: 18 }));
  return { width, height, radius, isUpright, isBeside: false, detail, spots, titles };
}

/** The weight whose line is the widest: the largest one or a little more, so that all lines stay as wide as they are while one weight moves. */
export function scaleOf(layers: readonly { weights: readonly (readonly number[])[] }[]): number {
  let largest = 1e-9;
  for (const layer of layers) for (const row of layer.weights) for (const value of row) largest = Math.max(largest, Math.abs(value));
  return 2 ** (Math.ceil(2 * Math.log2(largest) - 1e-9) / 2);
}

/** A point on a synapse, from the edge of one neuron to the edge of the other. */
export function along(from: Spot, to: Spot, radius: number, share: number): Spot {
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const length = Math.hypot(dx, dy) || 1;
  const distance = radius + share * (length - 2 * radius);
  return { x: from.x + (dx / length) * distance, y: from.y + (dy / length) * distance };
}

/** A rectangle around its middle. */
export interface Box extends Spot {
  width: number;
  height: number;
}

/** What a neuron takes with the numbers drawn around it; inputs have none. */
export function bodyOf(spot: Spot, layout: Layout, isInput: boolean): Box {
  const side = 2 * layout.radius;
  if (layout.detail < 2 || isInput) return { ...spot, width: side, height: side };
  if (layout.isBeside) return { ...spot, width: side + 100, height: side };
  return { x: spot.x, y: spot.y + 14, width: Math.max(side, 62), height: side + 68 };
}

/** What a title takes: Chinese signs are nearly twice as wide as letters. */
export function titleBox(spot: Spot, text: string, layout: Layout): Box {
  const width = [...text].reduce((sum, one) => sum + (one > "\u2e80" ? 13 : 7.4), 8);
  return { x: layout.isUpright ? spot.x + width / 2 - 4 : spot.x, y: spot.y - 4, width, height: 20 };
}

/** The first of its places where each label covers no body and no other label, or nothing where there is none. */
export function placeLabels(places: readonly (readonly Spot[])[], size: { width: number; height: number }, bodies: readonly Box[]): (Box | null)[] {
  const taken = [...bodies];
  return places.map((spots) => {
    const found = spots.map((spot) => ({ ...spot, ...size })).find((box) => !taken.some((one) => isCovering(one, box)));
    if (found) taken.push(found);
    return found ?? null;
  });
}

function isCovering(a: Box, b: Box): boolean {
  return 2 * Math.abs(a.x - b.x) < a.width + b.width && 2 * Math.abs(a.y - b.y) < a.height + b.height;
}
