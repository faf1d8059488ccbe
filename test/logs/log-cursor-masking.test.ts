import { appendFileSync, closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ByteWriter } from '../../src/lib/index.ts';
import { createMasker, LogCursor, TimeMarks, type LogBatch, type LogCursorOptions } from '../../src/logs/index.ts';
import { forms, wrappedForms } from '../support/secret-forms.ts';
import { tempDir } from '../support/temp-dir.ts';

/** What of a secret reaches the server when the log is cut into lines, windows and requests at any place. */

const secret = 'wrapped-secret-value-77';
const masked = (secrets: readonly string[]) => createMasker(secrets, 4);
const writer = new ByteWriter(16);

interface Read extends LogBatch {
  messages: string[];
}

function follow(given: readonly string[], options: Partial<LogCursorOptions> = {}) {
  const path = join(tempDir(), 'output.log');
  appendFileSync(path, '');
  const fd = openSync(path, 'r');
  onTestFinished(() => closeSync(fd));
  const masker = masked(given);
  const clock = { now: 1_000 };
  const held: number[] = [];
  const cursor = new LogCursor({
    fd,
    marks: new TimeMarks(),
    masker: () => masker,
    maxLineBytes: 4096,
    windowBytes: 1,
    now: () => clock.now,
    later: (ms) => held.push(ms),
    ...options,
  });
  const read = (final: boolean, maxBytes = Number.MAX_SAFE_INTEGER, after?: LogBatch): Read => {
    writer.truncate(0);
    const batch = cursor.read(writer, maxBytes, final, after);
    const records = JSON.parse(`[${writer.bytes().toString('utf8')}]`) as { message: string }[];
    return { ...batch, messages: records.map(({ message }) => message) };
  };
  const next = (final: boolean): string[] => {
    const batch = read(final);
    cursor.commit(batch);
    return batch.messages;
  };
  return { clock, cursor, held, next, read, append: (text: string) => appendFileSync(path, text) };
}

/** The lines of a text, each with its part of the secrets masked. */
function expectedLines(text: string, given: readonly string[]): string[] {
  const bytes = Buffer.from(text);
  const shown = Buffer.from(bytes);
  const spans = masked(given).find(bytes);
  const lines: string[] = [];
  let start = 0;
  while (start < shown.length) {
    const feed = shown.indexOf(10, start);
    const after = feed === -1 ? shown.length : feed + 1;
    let end = feed === -1 ? after : feed;
    if (end > start && shown[end - 1] === 13) end -= 1;
    let line = '';
    let position = start;
    for (const span of spans) {
      const from = Math.max(span.start, position);
      const to = Math.min(span.end, end);
      if (from >= to) continue;
      line += `${bytes.toString('utf8', position, from)}***`;
      position = to;
    }
    lines.push(line + bytes.toString('utf8', position, end));
    start = after;
  }
  return lines;
}

describe('a log with secrets', () => {
  it('is masked in every line that a wrapped secret reaches into', () => {
    const { append, next } = follow([secret]);
    append('a wrapped-\r\n   secret-\nvalue-77 b\nc\n');
    expect(next(false)).toEqual(['a ***', '***', '*** b', 'c']);
  });

  it('waits for the rest of what may be a wrapped secret, and sends what is before it', () => {
    const { append, next } = follow([secret]);
    append('before\na wrapped-\n');
    expect(next(false)).toEqual(['before']);
    append('secret-value-77 b\n');
    expect(next(false)).toEqual(['a ***', '*** b']);
  });

  it('does not wait when the next line goes on with something else', () => {
    const { append, next } = follow([secret]);
    append('a wrapped-\nother\n');
    expect(next(false)).toEqual(['a wrapped-', 'other']);
  });

  it('waits 200 ms at most, asks to be called then, and not at the end of the log', () => {
    const { append, clock, held, next } = follow([secret]);
    append('a wrapped-\n');
    expect(next(false)).toEqual([]);
    clock.now += 150;
    expect(next(false)).toEqual([]);
    expect(held).toEqual([200]);
    clock.now += 50;
    expect(next(false)).toEqual(['a wrapped-']);
    append('b wrapped-\n');
    expect(next(false)).toEqual([]);
    expect(next(true)).toEqual(['b wrapped-']);
  });

  it('masks the rest of a secret although its beginning was sent', () => {
    const { append, clock, next } = follow([secret]);
    append('a wrapped-\n');
    next(false);
    clock.now += 500;
    expect(next(false)).toEqual(['a wrapped-']);
    append('secret-value-77 b\n');
    expect(next(false)).toEqual(['*** b']);
  });

  it('masks with a secret that was added late what was not sent yet', () => {
    const secrets: string[] = [];
    const { append, next } = follow([], { masker: () => masked(secrets) });
    append(`one ${secret}\n`);
    expect(next(false)).toEqual([`one ${secret}`]);
    append(`two ${secret}\n`);
    secrets.push(secret);
    expect(next(false)).toEqual(['two ***']);
  });

  it('finds a secret at every place of a window and over its end, wrapped or not', () => {
    const wrapped = secret.replaceAll('-', '-\n  ');
    for (let shift = 0; shift < 60; shift += 1) {
      const text = `${'x'.repeat(shift)}\n${`${secret} ${wrapped}\n${'.'.repeat(20)}`.repeat(400)}`;
      const { append, next } = follow([secret]);
      append(text);
      expect(next(true)).toEqual(expectedLines(text, [secret]));
    }
  });

  it('masks all of a secret that is longer than a line may be', () => {
    const key = Array.from({ length: 40 }, (_, n) => `key${n}part`).join('');
    const { append, next } = follow([key], { maxLineBytes: 64 });
    append(`${'.'.repeat(70)}${key}${'.'.repeat(70)}\n`);
    expect(
      next(true)
        .join('')
        .replaceAll(/(\*\*\*)+/g, '***'),
    ).toBe(`${'.'.repeat(70)}***${'.'.repeat(70)}`);
  });

  it('is the same however it was written, read and acknowledged', () => {
    const given = [secret, 'zq77zq77', 'pä"ss wörd', 'short1'];
    // A line with fewer than four characters of a secret is not held back for the rest of it.
    const short = new Set(['broken over lines', 'broken over lines, one character each']);
    const wrapped = Object.entries(wrappedForms).filter(([name]) => !short.has(name));
    const shown = fc
      .tuple(fc.constantFrom(...given), fc.constantFrom(...Object.values({ ...forms, ...Object.fromEntries(wrapped) })))
      .map(([value, form]) => form(value));
    const noise = fc.constantFrom(
      'zq77',
      'wrapped-',
      '\n',
      '\r\n',
      ' ',
      'x'.repeat(70),
      '\u001B[0m',
      'ok: [web1]\n',
      '\\',
      'ä',
    );
    const text = fc.array(fc.oneof(noise, shown), { maxLength: 30 }).map((parts) => parts.join(''));
    const cuts = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(
        text,
        cuts,
        fc.integer({ min: 50, max: 3000 }),
        fc.array(fc.boolean()),
        (log, steps, limit, accepted) => {
          const { append, cursor, read } = follow(given, { maxLineBytes: 1_000_000 });
          const bytes = Buffer.from(log);
          const lines: string[] = [];
          const take = (final: boolean, accept: boolean): boolean => {
            const first = read(final, limit);
            const again = read(final, limit);
            // Read again, a batch has the same records; more may follow them.
            expect(again.messages.slice(0, first.count)).toEqual(first.messages);
            if (!accept || again.count === 0) return again.count > 0;
            lines.push(...again.messages);
            cursor.commit(again);
            return true;
          };
          let at = 0;
          for (let step = 0; at < bytes.length; step += 1) {
            // Whole characters, as a cut within one is not what this is about.
            const end = Math.min(bytes.length, at + (steps[step % steps.length] ?? 1));
            append(bytes.toString('latin1', at, end));
            at = end;
            take(false, accepted[step % Math.max(1, accepted.length)] ?? true);
          }
          while (take(true, true));
          expect(lines).toEqual(expectedLines(bytes.toString('latin1'), given));
        },
      ),
      { numRuns: 150 },
    );
  }, 120_000);
});
