import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeOutput, unfinishedBytes } from '../../src/executors/shell-session/decode-output.ts';
import { MarkReader, type Mark } from '../../src/executors/shell-session/mark-reader.ts';
import { makeNumber, opening } from '../../src/executors/shell-session/wording.ts';

const session = '12345678901234567890';

function read(chunks: readonly Buffer[]): { output: Buffer; marks: (Mark & { at: number })[] } {
  const parts: Buffer[] = [];
  const marks: (Mark & { at: number })[] = [];
  let length = 0;
  const reader = new MarkReader(session, {
    onData: (bytes) => {
      parts.push(Buffer.from(bytes));
      length += bytes.length;
    },
    onMark: (mark) => void marks.push({ ...mark, at: length }),
  });
  for (const chunk of chunks) reader.push(chunk);
  reader.finish();
  return { output: Buffer.concat(parts), marks };
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...sorted].map((from, index) => bytes.subarray(from, sorted[index] ?? bytes.length));
}

/** Bytes as a job may print them: anything, SOH, CR, halves of marks and of our own words. */
const output = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
      fc
        .constantFrom('\u0001', '\r\n', '\r', ' ', '{', ' { ', '\u0001\u0001', '\u0001123456', session.slice(0, 19))
        .map((text) => Buffer.from(text)),
      fc.nat(opening(session).length - 1).map((length) => Buffer.from(opening(session).slice(0, length))),
      fc.nat(20).map((length) => Buffer.from(`\u0001${session}`.slice(0, length))),
    ),
    { maxLength: 8 },
  )
  .map((parts) => Buffer.concat(parts))
  .filter((bytes) => !bytes.includes(session));

const mark = fc.record({
  kind: fc.constantFrom<Mark['kind']>('R', 'P', 'S', 'E', 'I'),
  nonce: fc.constantFrom('', '98765432109876543210'),
  text: fc.constantFrom('', '0', '130', 'himBHsx ', '5.2.15(1)-release'),
  lineEnd: fc.constantFrom('\n', '\r\n', '\r\r\n'),
});
const shown = fc.record({
  space: fc.constantFrom('', ' '),
  rest: fc.constantFrom('', `P\\n' >/dev/tty; }`, 'x'.repeat(300)),
});
const places = fc.array(fc.nat(2000), { maxLength: 12 });

describe('the reader of a terminal', () => {
  it('finds every mark, drops our words, and loses nothing else, however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(output, fc.option(mark), fc.option(shown)), { maxLength: 5 }),
        output,
        places,
        (pieces, last, cuts) => {
          const stream: Buffer[] = [];
          const kept: Buffer[] = [];
          const marks: string[] = [];
          for (const [bytes, found, words] of pieces) {
            // A space right before our words goes with them.
            const before = words ? Buffer.concat([bytes, Buffer.from('.')]) : bytes;
            stream.push(before);
            kept.push(before);
            if (words) stream.push(Buffer.from(`${words.space}${opening(session)}${words.rest}\r\n`));
            if (!found) continue;
            const gap = found.text === '' ? '' : ' ';
            stream.push(Buffer.from(`\u0001${session}${found.kind}${found.nonce}${gap}${found.text}${found.lineEnd}`));
            marks.push(`${found.kind}${found.nonce} ${found.text}`);
          }
          const result = read(cut(Buffer.concat([...stream, last]), cuts));
          expect(result.marks.map(({ kind, nonce, text }) => `${kind}${nonce} ${text}`)).toEqual(marks);
          expect(result.output.equals(Buffer.concat([...kept, last]))).toBe(true);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('takes no mark of another session, none that is too long, and none without a kind', () => {
    for (const text of [
      `\u0001${makeNumber()}P\n`,
      `\u0001${session}Q\n`,
      `\u0001${session}\n`,
      `\u0001${session}E1 ${'0'.repeat(500)}\n`,
      `${session}P\n`,
      `\u0001 ${session}P\n`,
    ])
      expect(read([Buffer.from(text)])).toEqual({ output: Buffer.from(text), marks: [] });
  });

  it('gives out on silence what is kept back for looks only', () => {
    const seen: string[] = [];
    const reader = new MarkReader(session, {
      onData: (bytes) => void seen.push(bytes.toString()),
      onMark: () => undefined,
    });
    reader.push(Buffer.from('function f() {'));
    expect(seen.join('')).toBe('function f()');
    reader.relax();
    expect(seen.join('')).toBe('function f() {');
    reader.push(Buffer.from(`\u0001${session}`));
    reader.relax();
    expect(seen.join('')).toBe('function f() {');
  });
});

describe('the text of output', () => {
  it('has U+FFFD for every byte that is no character, as Go has it', () => {
    for (const [bytes, text] of [
      [[0xff, 0xfe], '\uFFFD\uFFFD'],
      [[0xe2, 0x82], '\uFFFD\uFFFD'],
      [[0xe2, 0x82, 0x41], '\uFFFD\uFFFDA'],
      [[0xed, 0xa0, 0x80], '\uFFFD\uFFFD\uFFFD'],
      [[0xc0, 0x80], '\uFFFD\uFFFD'],
      [[0xf0, 0x9f, 0x98, 0x80], '😀'],
      [[0xf4, 0x90, 0x80, 0x80], '\uFFFD\uFFFD\uFFFD\uFFFD'],
      [[0xef, 0xbf, 0xbd], '\uFFFD'],
      [[0xef, 0xbb, 0xbf, 0x41], '\uFEFFA'],
      [[0x00, 0x0d, 0x0d, 0x0a, 0x0d], '\0\r\n\r'],
    ] as const)
      expect(decodeOutput(Buffer.from(bytes))).toBe(text);
  });

  it('is the same, however it is cut where it may be cut', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((found) => Buffer.from(found)),
      fc.string({ unit: 'binary', maxLength: 40 }).map((text) => Buffer.from(text)),
      fc
        .array(fc.constantFrom('ä', '€', '😀', '\r\n', '\r', 'a'), { maxLength: 20 })
        .map((parts) => Buffer.from(parts.join(''))),
    );
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 5 }), (parts) => {
        let rest = Buffer.alloc(0);
        let text = '';
        for (const part of parts) {
          const all = Buffer.concat([rest, part]);
          const kept = unfinishedBytes(all);
          expect(kept).toBeLessThanOrEqual(3);
          text += decodeOutput(all.subarray(0, all.length - kept));
          rest = all.subarray(all.length - kept);
        }
        expect(text + decodeOutput(rest)).toBe(decodeOutput(Buffer.concat(parts)));
      }),
      { numRuns: 2000 },
    );
  });
});
