import { appendFileSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as tick } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Spool } from '../../src/agent/log/spool.ts';
import { systemClock } from '../../src/lib/index.ts';
import { memoryLogger, until } from '../ci-hub/index.ts';
import { canMount, SmallDisk } from '../support/small-disk.ts';
import { tempDir } from '../support/temp-dir.ts';
import { finishedLine, outputLine } from './log-support.ts';

const mayMount = canMount();
const everything = { maxLines: Number.POSITIVE_INFINITY, maxBytes: Number.POSITIVE_INFINITY };

function makeSpool(directory = tempDir('spool-')) {
  const said: string[] = [];
  const options = { path: join(directory, 'events.jsonl'), clock: systemClock, logger: memoryLogger(said) };
  return { spool: Spool.create(options), said, options };
}

function textOf(pieces: Iterable<Buffer>): string {
  return Buffer.concat([...pieces]).toString('utf8');
}

describe('the spool of a job log', () => {
  it('is a private file with one line for each event, written as soon as the writer pauses', async () => {
    const { spool, options } = makeSpool();
    spool.append('{"event":"job_started","timestamp":1}');
    spool.append(finishedLine);
    expect(textOf(spool.read())).toBe(`{"event":"job_started","timestamp":1}\n${finishedLine}\n`);
    await tick();
    await tick();
    expect(readFileSync(options.path, 'utf8')).toBe(`{"event":"job_started","timestamp":1}\n${finishedLine}\n`);
    expect(statSync(options.path).mode & 0o777).toBe(0o600);
    spool.close();
  });

  it('does not open a file that is there already', () => {
    const { spool, options } = makeSpool();
    expect(() => Spool.create(options)).toThrow('EEXIST');
    spool.close();
  });

  it('reads from any line on, also behind those whose place is remembered', () => {
    const { spool } = makeSpool();
    const lines = Array.from({ length: 5000 }, (_, index) => outputLine(`${index} ${'ü'.repeat(index % 50)}`));
    for (const line of lines) spool.append(line);
    for (const from of [0, 1, 1023, 1024, 1025, 2048, 4999, 5000, 9999]) {
      expect(textOf(spool.read(from)), `from ${from}`).toBe(
        lines
          .slice(from)
          .map((line) => `${line}\n`)
          .join(''),
      );
    }
    expect(spool.end.line).toBe(5000);
    spool.close();
  });

  it('has no limit for the length of a line', () => {
    const { spool } = makeSpool();
    const lines = ['a', 'b'.repeat(3_000_000), 'c', 'd'.repeat(70_000)].map(outputLine);
    for (const line of lines) spool.append(line);
    expect(textOf(spool.read(1))).toBe(
      lines
        .slice(1)
        .map((line) => `${line}\n`)
        .join(''),
    );
    const batches = [...spool.batches({ line: 0, offset: 0 }, 1000)].map((batch) => batch.toString('utf8'));
    expect(batches).toEqual(lines.map((line) => `${line}\n`));
    spool.close();
  });

  it('gives whole lines within both limits, and at least one, whatever is in the file or still in memory', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ length: fc.nat(400), flush: fc.boolean() }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 1, max: 2000 }),
        (written, maxLines, maxBytes) => {
          const { spool } = makeSpool();
          const lines = written.map(({ length, flush }, index) => {
            const line = outputLine(`${index}é`.padEnd(length, '€'));
            spool.append(line);
            if (flush) spool.flush();
            return line;
          });
          const got: string[] = [];
          for (let cursor = { line: 0, offset: 0 }; cursor.line < lines.length;) {
            const { body, next } = spool.batch(cursor, { maxLines, maxBytes });
            const count = next.line - cursor.line;
            expect(count).toBeGreaterThan(0);
            expect(count).toBeLessThanOrEqual(maxLines);
            expect(count === 1 || body.length <= maxBytes).toBe(true);
            expect(next.offset - cursor.offset).toBe(body.length);
            got.push(...body.toString('utf8').slice(0, -1).split('\n'));
            cursor = next;
          }
          expect(got).toEqual(lines);
          expect(spool.batch(spool.end, everything).body).toHaveLength(0);
          spool.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('goes on with a reading that has begun after it was closed and removed, and begins no other', async () => {
    const { spool, options } = makeSpool();
    const lines = Array.from({ length: 4000 }, (_, index) => outputLine(`line ${index}`));
    for (const line of lines) spool.append(line);
    const reading = spool.read();
    const first = reading.next();
    spool.close();
    const { rm } = await import('node:fs/promises');
    await rm(options.path);
    const rest = textOf(reading);
    expect((first.value as Buffer).toString('utf8') + rest).toBe(lines.map((line) => `${line}\n`).join(''));
    expect(() => textOf(spool.read())).toThrow(/ENOENT: no such file or directory/);
  });

  it('is read again after its process has died, without half a line at its end', () => {
    const { spool, options } = makeSpool();
    const lines = Array.from({ length: 3000 }, (_, index) => outputLine(`line ${index}`));
    for (const line of lines) spool.append(line);
    spool.close();
    appendFileSync(options.path, '{"event":"cmd_ou');
    const again = Spool.recover(options);
    expect(again.end).toEqual({ line: 3000, offset: lines.join('\n').length + 1 });
    again.append(finishedLine);
    expect(textOf(again.read(2999))).toBe(`${lines[2999]}\n${finishedLine}\n`);
    again.close();
    expect(readFileSync(options.path, 'utf8')).toBe(`${[...lines, finishedLine].join('\n')}\n`);
  });

  it('needs no more memory for a million events than for a few', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const used = (): number => {
      collect();
      const { heapUsed, external } = process.memoryUsage();
      return (heapUsed + external) / 1024 / 1024;
    };
    const { spool } = makeSpool();
    const before = used();
    let most = 0;
    let cursor = { line: 0, offset: 0 };
    for (let index = 0; index < 1_000_000; index += 1) {
      spool.append(outputLine(`${index} some output of an ordinary job, one event for each hundred bytes of it`));
      if (index % 1000 === 0) cursor = spool.batch(cursor, { maxLines: 2000, maxBytes: 512 * 1024 }).next;
      if (index % 250_000 === 0) most = Math.max(most, used() - before);
      if (index % 10_000 === 0) await tick();
    }
    let bytes = 0;
    for (const piece of spool.read(500_000)) bytes += piece.length;
    most = Math.max(most, used() - before);
    expect(spool.end.line).toBe(1_000_000);
    expect(bytes).toBeGreaterThan(50_000_000);
    expect(most).toBeLessThan(24);
    spool.close();
  });
});

describe.runIf(mayMount)('a spool on a disk that is full', () => {
  function onSmallDisk() {
    const disk = SmallDisk.mount(3);
    return { ...makeSpool(disk.path), disk };
  }

  it('says so once in the log of the agent, loses nothing at first, and writes it when there is space again', async () => {
    const { spool, said, disk, options } = onSmallDisk();
    const lines = Array.from({ length: 300 }, (_, index) => outputLine(`${index} ${'x'.repeat(900)}`));
    for (const line of lines.slice(0, 100)) spool.append(line);
    await tick();
    disk.fill();
    for (const line of lines.slice(100)) {
      spool.append(line);
      await tick();
    }
    expect(said.filter((text) => text.startsWith('The job log cannot be written to the disk'))).toHaveLength(1);
    expect(said[0]).toContain('no space left on device');
    expect(textOf(spool.read())).toBe(`${lines.join('\n')}\n`);
    disk.free();
    await until(() => said.length > 1, 'the log is written again');
    expect(readFileSync(options.path, 'utf8')).toBe(`${lines.join('\n')}\n`);
    expect(spool.hasLost).toBe(false);
    expect(said.at(-1)).toContain('can be written to the disk again');
    spool.close();
  });

  it('drops output when that lasts, says in the log what is missing and where, and keeps the events that give it its shape', () => {
    const { spool, disk } = onSmallDisk();
    disk.fill();
    const output = outputLine('y'.repeat(1000));
    const shape = (exit: number): string =>
      `{"event":"cmd_finished","timestamp":1,"directive":"d","exit_code":${exit}}`;
    for (let index = 0; index < 3000; index += 1) spool.append(output);
    spool.append(shape(0));
    for (let index = 0; index < 10; index += 1) spool.append(output);
    spool.append(shape(1));
    disk.free();
    spool.append(finishedLine);
    spool.close();
    expect(spool.hasLost).toBe(true);
    const lines = readFileSync(spool.path, 'utf8').trimEnd().split('\n');
    const at = lines.indexOf(shape(0));
    const missing = 3000 - (at - 1);
    expect(missing).toBeGreaterThan(1000);
    expect(JSON.parse(lines[at - 1] ?? '')).toEqual({
      event: 'cmd_output',
      timestamp: expect.any(Number),
      output: `\n[${missing} events of this log (${missing * (output.length + 1)} bytes) are missing here: the agent's disk was full]\n`,
    });
    expect(lines.slice(at + 1)).toEqual([expect.stringContaining('[10 events of this log'), shape(1), finishedLine]);
  });
});
