import { appendFileSync, closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createMasker, LogCursor, TimeMarks, type LogBatch, type LogCursorOptions } from '../../src/logs/index.ts';
import { tempDir } from '../support/temp-dir.ts';

interface Record {
  time: string;
  message: string;
}

function open(content: string | Buffer, options: Partial<LogCursorOptions> = {}) {
  const path = join(tempDir(), 'output.log');
  appendFileSync(path, content);
  const fd = openSync(path, 'r');
  onTestFinished(() => closeSync(fd));
  const marks = options.marks ?? new TimeMarks();
  const cursor = new LogCursor({
    fd,
    marks,
    masker: () => createMasker([], 4),
    maxLineBytes: 65_536,
    now: () => 1_000,
    ...options,
  });
  return { cursor, append: (more: string | Buffer) => appendFileSync(path, more) };
}

function records(batch: LogBatch): Record[] {
  return JSON.parse(`[${batch.records}]`) as Record[];
}

function messages(batch: LogBatch): string[] {
  return records(batch).map((record) => record.message);
}

const all = Number.MAX_SAFE_INTEGER;

describe('LogCursor', () => {
  it('gives complete lines and holds back the one that has no end yet', () => {
    const { cursor, append } = open('one\ntwo\nthr');
    const first = cursor.read(all, false);
    expect(messages(first)).toEqual(['one', 'two']);
    cursor.commit(first);
    append('ee\n');
    expect(messages(cursor.read(all, false))).toEqual(['three']);
  });

  it('gives the last line without an end when the log has ended', () => {
    expect(messages(open('one\ntwo').cursor.read(all, true))).toEqual(['one', 'two']);
  });

  it('drops a carriage return before the line end and keeps every other one', () => {
    expect(messages(open('a\r\n10%\r20%\r\n\n').cursor.read(all, true))).toEqual(['a', '10%\r20%', '']);
  });

  it('replaces what is not UTF-8 and keeps colours', () => {
    const { cursor } = open(Buffer.concat([Buffer.from('\u001b[31mred\u001b[0m '), Buffer.from([0xff, 10])]));
    expect(messages(cursor.read(all, true))).toEqual(['\u001b[31mred\u001b[0m \ufffd']);
  });

  it('reads the same records again, times included, until they are accepted', () => {
    let now = 1_000;
    const { cursor, append } = open('one\ntwo\n', { now: () => now });
    const first = cursor.read(all, false);
    now = 9_000;
    append('three\n');
    const again = cursor.read(all, false);
    expect(records(again).slice(0, 2)).toEqual(records(first));
    expect(records(again)[2]?.time).toBe('1970-01-01T00:00:09.000000000Z');
  });

  it('gives every record a time of its own, in order, even when the clock is set back', () => {
    let now = 5_000;
    const { cursor, append } = open('a\nb\n', { now: () => now });
    const first = cursor.read(all, false);
    cursor.commit(first);
    now = 1_000;
    append('c\nd\n');
    const times = [...records(first), ...records(cursor.read(all, false))].map((record) => record.time);
    expect([...times].sort()).toEqual(times);
    expect(new Set(times).size).toBe(4);
  });

  it('respects the size limit and says that there is more', () => {
    const { cursor } = open('x'.repeat(50).concat('\n').repeat(100));
    const first = cursor.read(1_000, false);
    expect(first.records.length).toBeLessThanOrEqual(1_000);
    expect(first.more).toBe(true);
    let count = first.count;
    cursor.commit(first);
    for (let batch = cursor.read(1_000, false); batch.count > 0; batch = cursor.read(1_000, false)) {
      count += batch.count;
      cursor.commit(batch);
    }
    expect(count).toBe(100);
  });

  it('gives a record that is larger than the limit alone', () => {
    const batch = open(`${'y'.repeat(5_000)}\nz\n`).cursor.read(100, false);
    expect(batch.count).toBe(1);
    expect(batch.more).toBe(true);
  });

  it('cuts a line of 100 MB into records without losing a byte', () => {
    const { cursor } = open(Buffer.alloc(100_000_000, 'ä'));
    let bytes = 0;
    for (let batch = cursor.read(4_000_000, true); batch.count > 0; batch = cursor.read(4_000_000, true)) {
      for (const message of messages(batch)) {
        expect(Buffer.byteLength(message)).toBeLessThanOrEqual(65_536);
        bytes += Buffer.byteLength(message);
      }
      cursor.commit(batch);
    }
    expect(bytes).toBe(100_000_000);
  });

  it('does not tear a secret where it cuts a long line', () => {
    const secret = 'S3cr3t-Passw0rd';
    for (let shift = 0; shift < 20; shift += 1) {
      const line = `${'x'.repeat(90 + shift)}${secret}${'y'.repeat(120)}`;
      const { cursor } = open(`${line}\n`, { maxLineBytes: 100, masker: () => createMasker([secret], 4) });
      expect(messages(cursor.read(all, true)).join('')).toBe(line.replace(secret, '***'));
    }
  });

  it('gives the text of any log back, whatever the cuts and limits', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary', maxLength: 40 }), { maxLength: 30 }),
        fc.integer({ min: 8, max: 50 }),
        fc.integer({ min: 60, max: 400 }),
        (pieces, maxLineBytes, limit) => {
          const text = Buffer.from(pieces.join('\n'), 'utf8').toString('utf8');
          const path = join(tempDir(), 'log');
          appendFileSync(path, text);
          const fd = openSync(path, 'r');
          const cursor = new LogCursor({
            fd,
            marks: new TimeMarks(),
            masker: () => createMasker([], 4),
            maxLineBytes,
            now: () => 0,
          });
          let seen = '';
          for (let batch = cursor.read(limit, true); batch.count > 0; batch = cursor.read(limit, true)) {
            seen += messages(batch).join('');
            cursor.commit(batch);
          }
          closeSync(fd);
          // Line ends are what the records leave out, and where a line is cut they add nothing.
          expect(seen.replaceAll('\r', '')).toBe(text.replaceAll(/[\r\n]/g, ''));
        },
      ),
      { numRuns: 150 },
    );
  });
});
