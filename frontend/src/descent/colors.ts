/* Colors and dashes of walks; each is numbered too, so that nobody needs to tell colors apart. */
export const INKS = ["#c81e4a", "#1d4ed8", "#0b6e4f", "#a21caf", "#b45309", "#111827", "#4338ca", "#7c2d12", "#155e75", "#86198f", "#365314", "#374151"];
export const DASHES = ["", "7 3", "2 3", "9 3 2 3", "5 5", "", "7 3", "2 3", "", "7 3", "2 3", ""];
