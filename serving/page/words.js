// Numbers and lists as a person reads them.

const SPACE = "\u00a0";

/** 0.973 -> "97.3 %"; what is not quite nothing, or not quite certain, is not rounded to it. */
export function percent(share) {
  if (share > 0 && share < 0.001) return `<${SPACE}0.1${SPACE}%`;
  if (share < 1 && share > 0.999) return `>${SPACE}99.9${SPACE}%`;
  return `${(100 * share).toFixed(1)}${SPACE}%`;
}

export const wholePercent = (share) => `${Math.round(100 * share)}${SPACE}%`;

/** 4.236 -> "4.24 ms", 0.08 -> "0.08 ms", 123.4 -> "123 ms". */
export const milliseconds = (value) => `${value.toFixed(value < 10 ? 2 : 0)}${SPACE}ms`;

/** ["a", "b", "c"] -> "a, b and c". */
export const listed = (names) => new Intl.ListFormat("en-GB").format(names);
