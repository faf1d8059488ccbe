/** The data types of SSH's protocols (RFC 4251, section 5). */

export function wireNumber(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function wireString(value: Buffer | string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  return Buffer.concat([wireNumber(bytes.length), bytes]);
}

/** A number of any size that is not negative, given as its bytes. */
export function wireInteger(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first === -1 ? Buffer.alloc(0) : bytes.subarray(first);
  // The highest bit is the sign.
  return wireString((digits[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), digits]) : digits);
}

/** The string at `position` and where it ends; undefined when the buffer is too short for it. */
export function readString(buffer: Buffer, position: number): { value: Buffer; after: number } | undefined {
  if (buffer.length < position + 4) return undefined;
  const after = position + 4 + buffer.readUInt32BE(position);
  return buffer.length < after ? undefined : { value: buffer.subarray(position + 4, after), after };
}
