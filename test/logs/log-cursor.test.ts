import { appendFileSync, closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ByteWriter } from '../../src/lib/index.ts';
import { createMasker, LogCursor, TimeMarks, type LogBatch, type LogCursorOptions } from '../../src/logs/index.ts';
import { tempDir } from '../support/temp-dir.ts';

interface LogRecord {
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

interface Read extends LogBatch {
  records: LogRecord[];
  messages: string[];
  bytes: number;
}

const writer = new ByteWriter(16);

function read(cursor: LogCursor, maxBytes: number, final: boolean, maxLineBytes?: number): Read {
  writer.truncate(0);
  const batch = cursor.read(writer, maxBytes, final, undefined, maxLineBytes);
  const records = JSON.parse(`[${writer.bytes().toString('utf8')}]`) as LogRecord[];
  return { ...batch, records, messages: records.map((record) => record.message), bytes: writer.length };
}

const all = Number.MAX_SAFE_INTEGER;

describe('LogCursor', () => {
  it('gives complete lines and holds back the one that has no end yet', () => {
    const { cursor, append } = open('one\ntwo\nthr');
    const first = read(cursor, all, false);
    expect(first.messages).toEqual(['one', 'two']);
    cursor.commit(first);
    append('ee\n');
    expect(read(cursor, all, false).messages).toEqual(['three']);
  });

  it('gives the last line without an end when the log has ended', () => {
    expect(read(open('one\ntwo').cursor, all, true).messages).toEqual(['one', 'two']);
  });

  it('drops a carriage return before the line end and keeps every other one', () => {
    expect(read(open('a\r\n10%\r20%\r\n\n').cursor, all, true).messages).toEqual(['a', '10%\r20%', '']);
  });

  it('replaces what is not UTF-8 and keeps colours', () => {
    const { cursor } = open(Buffer.concat([Buffer.from('\u001b[31mred\u001b[0m '), Buffer.from([0xff, 10])]));
    expect(read(cursor, all, true).messages).toEqual(['\u001b[31mred\u001b[0m \ufffd']);
  });

  it('reads exactly the same records again, times included, until they are accepted', () => {
    let now = 1_000;
    const { cursor, append } = open('one\ntwo\n', { now: () => now });
    const first = read(cursor, all, false);
    now = 9_000;
    append('three\nfo');
    const again = read(cursor, all, false);
    expect(again.records).toEqual(first.records);
    expect([first.more, again.more]).toEqual([false, true]);
    cursor.commit(again);
    const next = read(cursor, all, false);
    expect(next.records).toEqual([{ time: '1970-01-01T00:00:09.000000000Z', message: 'three' }]);
    expect(next.more).toBe(false);
  });

  it('keeps the times of what may have been sent, however long the server is away', () => {
    const marks = new TimeMarks();
    for (let count = 1; count <= 1000; count += 1) marks.add(count * 2, count * 10);
    const { cursor, append } = open('x\n'.repeat(1000), { marks });
    const first = read(cursor, 30_000, false);
    append('x\n'.repeat(50_000));
    for (let count = 1001; count <= 51_000; count += 1) marks.add(count * 2, count * 10);
    expect(marks.size).toBeLessThan(6000);
    expect(read(cursor, 30_000, false).records).toEqual(first.records);
  });

  it('cuts lines smaller for a server that takes only small requests, and loses nothing', () => {
    const line = 'äb'.repeat(1000);
    const { cursor } = open(`${line}\nend\n`);
    expect(read(cursor, 1000, false).messages).toEqual([line]);
    const messages: string[] = [];
    for (let batch = read(cursor, 1, false, 512); batch.count > 0; batch = read(cursor, 1, false, 512)) {
      expect(batch.bytes).toBeLessThan(700);
      messages.push(...batch.messages);
      cursor.commit(batch);
    }
    expect(messages.slice(0, -1).join('')).toBe(line);
    expect(messages.at(-1)).toBe('end');
  });

  it('gives every record a time of its own, in order, even when the clock is set back', () => {
    let now = 5_000;
    const { cursor, append } = open('a\nb\n', { now: () => now });
    const first = read(cursor, all, false);
    cursor.commit(first);
    now = 1_000;
    append('c\nd\n');
    const times = [...first.records, ...read(cursor, all, false).records].map((record) => record.time);
    expect([...times].sort()).toEqual(times);
    expect(new Set(times).size).toBe(4);
  });

  it('respects the size limit and says that there is more', () => {
    const { cursor } = open('x'.repeat(50).concat('\n').repeat(100));
    const first = read(cursor, 1_000, false);
    expect(first.bytes).toBeLessThanOrEqual(1_000);
    expect(first.more).toBe(true);
    let count = first.count;
    cursor.commit(first);
    for (let batch = read(cursor, 1_000, false); batch.count > 0; batch = read(cursor, 1_000, false)) {
      count += batch.count;
      cursor.commit(batch);
    }
    expect(count).toBe(100);
  });

  it('gives a record that is larger than the limit alone', () => {
    const batch = read(open(`${'y'.repeat(5_000)}\nz\n`).cursor, 100, false);
    expect(batch.count).toBe(1);
    expect(batch.more).toBe(true);
  });

  it('cuts a line of 100 MB into records without losing a byte', () => {
    const { cursor } = open(Buffer.alloc(100_000_000, 'ä'));
    let bytes = 0;
    for (let batch = read(cursor, 4_000_000, true); batch.count > 0; batch = read(cursor, 4_000_000, true)) {
      for (const message of batch.messages) {
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
      expect(read(cursor, all, true).messages.join('')).toBe(line.replace(secret, '***'));
    }
  });

  it('masks in every line, next to what is not ASCII and not UTF-8, and escapes the rest', () => {
    const secret = 'pässwörd';
    const log = Buffer.concat([
      Buffer.from(`"a" ${secret}\t${secret}\\\n`),
      Buffer.from([0xfe, 0x20]),
      Buffer.from(`${secret} \u0001\n`),
    ]);
    const { cursor } = open(log, { masker: () => createMasker([secret], 4) });
    expect(read(cursor, all, true).messages).toEqual(['"a" ***\t***\\', '\ufffd *** \u0001']);
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
          for (let batch = read(cursor, limit, true); batch.count > 0; batch = read(cursor, limit, true)) {
            seen += batch.messages.join('');
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
