/** Positions in a text by positions in its UTF-8 bytes, asked for in order. */
export function charPositions(text: string, length: number): (byte: number) => number {
  if (text.length === length) return (byte) => byte;
  let position = 0;
  let bytes = 0;
  return (byte) => {
    while (bytes < byte) {
      const code = text.codePointAt(position) ?? 0;
      bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4;
      position += code < 0x1_0000 ? 1 : 2;
    }
    return position;
  };
}
