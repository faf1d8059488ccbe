const backslash = 0x5c;

/** The number of so many hexadecimal digits at `at`; -1 when they are not there. */
export function hexNumber(bytes: Uint8Array, at: number, digits: number, end: number): number {
  if (digits === 0 || at + digits > end) return -1;
  let value = 0;
  for (let index = at; index < at + digits; index += 1) {
    const digit = hexDigit(bytes[index] ?? 0);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

/** Value of a hexadecimal digit; -1 when it is none. */
function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** The decimal number in `[at, end)`; -1 when it is none. */
export function decimal(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let index = at; index < end; index += 1) {
    const byte = bytes[index] ?? 0;
    if (byte < 0x30 || byte > 0x39) return -1;
    value = value * 10 + byte - 0x30;
  }
  return value;
}

/** The byte of `\NNN`, three octal digits; -1 when it is none. */
export function octal(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 > end || bytes[at] !== backslash) return -1;
  let value = 0;
  for (let index = at + 1; index < at + 4; index += 1) {
    const digit = (bytes[index] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) return -1;
    value = value * 8 + digit;
  }
  return value < 256 ? value : -1;
}
