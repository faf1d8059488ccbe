/** Quantities of resources: `500m`, `1.5Gi`, `1e3`. */
export const quantityPattern = /^[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/;

const suffixes: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** The number that a quantity stands for (bytes, cores, pieces). Throws RangeError for what is none. */
export function quantityOf(text: string | number): number {
  const match = /^([+-]?[\d.]+)(.*)$/.exec(String(text));
  const [, digits = '', suffix = ''] = match ?? [];
  const factor = /^[eE][+-]?\d+$/.test(suffix) ? Number(`1${suffix}`) : suffixes[suffix];
  if (digits === '' || factor === undefined) throw new RangeError(`'${text}' is not a quantity`);
  return Number(digits) * factor;
}
