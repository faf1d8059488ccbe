/** A size as people write it: `20GB`, `1.5 GiB`, `500000`. Empty stands for "not set". No flags: JSON Schema has none. */
export const sizePattern = /^(|\d+(\.\d+)?\s*([KMGTkmgt]i?)?[Bb]?)$/;

const powers: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4 };

/** Bytes of a size that matches the pattern; undefined for "not set", which 0 is too. */
export function bytesOf(text: string | undefined): number | undefined {
  return sizeOf(text, 1000);
}

/** The same as Docker reads sizes: `1k` is 1024 bytes, with or without an `i`. */
export function dockerBytesOf(text: string | undefined): number | undefined {
  return sizeOf(text, 1024);
}

function sizeOf(text: string | undefined, kilo: number): number | undefined {
  const [, amount = '', prefix = '', binary] = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?$/i.exec(text ?? '') ?? [];
  const bytes = Math.round(Number(amount) * (binary ? 1024 : kilo) ** (powers[prefix.toLowerCase()] ?? 0));
  return bytes > 0 ? bytes : undefined;
}
