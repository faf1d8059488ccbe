/** As much of DER (ITU-T X.690) as a certificate of our own needs. */

const tags = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
};
const sequenceTag = 0x30;
const setTag = 0x31;

/** A value with any tag, by its number. */
export function tagged(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([Buffer.from([tag]), lengthOf(body), body]);
}

export function sequence(...items: readonly Buffer[]): Buffer {
  return tagged(sequenceTag, ...items);
}

export function set(...items: readonly Buffer[]): Buffer {
  return tagged(setTag, ...items);
}

/** A positive number, given by its bytes, most significant first. */
export function integer(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const shortest = first === -1 ? Buffer.of(0) : bytes.subarray(first);
  // A set first bit would make it negative.
  return tagged(tags.integer, ...((shortest[0] ?? 0) < 0x80 ? [shortest] : [Buffer.of(0), shortest]));
}

export function boolean(value: boolean): Buffer {
  return tagged(0x01, Buffer.of(value ? 0xff : 0));
}

/** `unusedBits`: how many of the last byte, from the right. */
export function bitString(bytes: Buffer, unusedBits = 0): Buffer {
  return tagged(tags.bitString, Buffer.of(unusedBits), bytes);
}

export function octetString(bytes: Buffer): Buffer {
  return tagged(tags.octetString, bytes);
}

export function utf8String(text: string): Buffer {
  return tagged(tags.utf8String, Buffer.from(text, 'utf8'));
}

/** "2.5.29.17" */
export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return tagged(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

/** Whole seconds, in the form that RFC 5280 wants: two digits of the year until 2049. */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  const isShort = date.getUTCFullYear() < 2050;
  return tagged(
    isShort ? tags.utcTime : tags.generalizedTime,
    Buffer.from(isShort ? digits.slice(2) : digits, 'ascii'),
  );
}

function lengthOf(body: Buffer): Buffer {
  if (body.length < 0x80) return Buffer.of(body.length);
  const bytes: number[] = [];
  for (let rest = body.length; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff);
  return Buffer.of(0x80 | bytes.length, ...bytes);
}

function base128(number: number): number[] {
  const bytes = [number & 0x7f];
  for (let rest = number >>> 7; rest > 0; rest >>>= 7) bytes.unshift((rest & 0x7f) | 0x80);
  return bytes;
}
