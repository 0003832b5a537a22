// One spelling of numbers, the same as imlgcn/numbers.py: a test compares the two.

const MISSING = "–";

/** Format a number; undefined ones are a dash, and minus is a real minus sign. */
export function number(value, digits = 1) {
  if (value === null || value === undefined || !Number.isFinite(value)) return MISSING;
  const [whole, decimals] = Math.abs(value).toFixed(digits).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const text = decimals ? `${grouped}.${decimals}` : grouped;
  return value < 0 && /[1-9]/.test(text) ? `−${text}` : text;
}

/** Format a fraction, 0 to 1, as percent, without rounding to certainty. */
export function percent(fraction, digits = 0) {
  if (fraction === null || fraction === undefined || !Number.isFinite(fraction)) return MISSING;
  const [value, step] = [100 * fraction, 10 ** -digits];
  if (value > 0 && value < step / 2) return `<${number(step, digits)} %`;
  if (value >= 100 - step / 2 && value < 100) return `>${number(100 - step, digits)} %`;
  return `${number(value, digits)} %`;
}

/** Count a noun. */
export const plural = (count, noun) => `${number(count, 0)} ${noun}${count === 1 ? "" : "s"}`;
