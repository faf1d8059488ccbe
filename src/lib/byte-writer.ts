const quote = 0x22;
const backslash = 0x5c;
const hexDigits = Buffer.from('0123456789abcdef');

/** Second character of the two-character escapes of JSON, by byte; 0 where there is none. */
const shortEscapes = new Uint8Array(256);
for (const [byte, letter] of [
  [quote, '"'],
  [backslash, '\\'],
  [8, 'b'],
  [9, 't'],
  [10, 'n'],
  [12, 'f'],
  [13, 'r'],
] as const) {
  shortEscapes[byte] = letter.charCodeAt(0);
}

/** The longest escape, `\u001b`, per byte. */
const worstEscape = 6;

/**
 * Puts a large text together in one buffer that is used again and again, so that megabytes of log a second leave nothing
 * for the garbage collector. Grows when needed and never shrinks.
 */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(initialBytes: number) {
    this.#buffer = Buffer.allocUnsafeSlow(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** What was written: a view that is valid until the next change. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Takes back everything from `length` on. */
  truncate(length: number): void {
    this.#length = length;
  }

  text(value: string): void {
    this.#reserve(value.length * 3);
    this.#length += this.#buffer.write(value, this.#length, 'utf8');
  }

  raw(source: Uint8Array): void {
    this.#reserve(source.length);
    this.#buffer.set(source, this.#length);
    this.#length += source.length;
  }

  /** Writes `source[start, end)`, which must be UTF-8, as the inside of a JSON string. */
  jsonText(source: Uint8Array, start: number, end: number): void {
    this.#reserve((end - start) * worstEscape);
    const target = this.#buffer;
    let length = this.#length;
    for (let index = start; index < end; index += 1) {
      const byte = source[index] ?? 0;
      if (byte >= 0x20 && byte !== quote && byte !== backslash) {
        target[length] = byte;
        length += 1;
        continue;
      }
      target[length] = backslash;
      const short = shortEscapes[byte] ?? 0;
      if (short !== 0) {
        target[length + 1] = short;
        length += 2;
        continue;
      }
      target[length + 1] = 0x75; // u
      target[length + 2] = target[length + 3] = 0x30;
      target[length + 4] = hexDigits[byte >> 4] ?? 0;
      target[length + 5] = hexDigits[byte & 15] ?? 0;
      length += worstEscape;
    }
    this.#length = length;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, Math.ceil(this.#buffer.length * 1.5)));
    larger.set(this.bytes());
    this.#buffer = larger;
  }
}
