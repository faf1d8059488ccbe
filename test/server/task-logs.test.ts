import { appendFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LogRecord } from '../../src/protocol/ui/index.ts';
import { decodeLine } from '../../src/server/store/log-lines.ts';
import { TaskLogs } from '../../src/server/store/task-logs.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'logs-'));
});
const opened: TaskLogs[] = [];
afterEach(async () => {
  for (const logs of opened.splice(0)) await logs.close();
  await rm(dir, { recursive: true, force: true });
});

const clock = { now: () => Date.parse('2026-01-01T12:00:00.000Z') };

async function open(): Promise<TaskLogs> {
  const logs = await TaskLogs.open(dir, clock);
  opened.push(logs);
  return logs;
}

/** Records as a runner makes them: times that never repeat. */
function records(from: number, to: number): LogRecord[] {
  return Array.from({ length: to - from }, (_, index) => ({
    time: `2026-01-01T10:00:00.${String(from + index).padStart(9, '0')}Z`,
    message: `line ${from + index}`,
  }));
}

async function read(logs: TaskLogs, taskId = 1): Promise<LogRecord[]> {
  const all: LogRecord[] = [];
  for await (const batch of logs.read(taskId)) all.push(...batch.map(decodeLine));
  return all;
}

describe('the log of a task', () => {
  it('is empty when nothing was logged', async () => {
    expect(await read(await open())).toEqual([]);
  });

  it('gives back what was put in', async () => {
    const logs = await open();
    const odd = [
      { time: '2026-01-01T10:00:00+02:00', message: '' },
      { time: '2026-01-01T10:00:00.5Z', message: ' leading, "quotes", \\, ü, 日本, \u001b[31mred\u001b[0m ' },
      { time: '2026-01-01T10:00:00.5Z', message: 'x'.repeat(1_000_000) },
    ];
    await logs.append(1, odd);
    expect(await read(logs)).toEqual(odd);
  });

  it('makes several records of a text with line breaks', async () => {
    const logs = await open();
    await logs.append(1, [{ time: '2026-01-01T10:00:00Z', message: 'a\n\nb' }]);
    expect(await read(logs)).toEqual([
      { time: '2026-01-01T10:00:00Z', message: 'a' },
      { time: '2026-01-01T10:00:00Z', message: '' },
      { time: '2026-01-01T10:00:00Z', message: 'b' },
    ]);
  });

  it('keeps batches in order and unmixed, even when they come at the same time', async () => {
    const logs = await open();
    await Promise.all(Array.from({ length: 50 }, (_, index) => logs.append(1, records(index * 10, index * 10 + 10))));
    expect(await read(logs)).toEqual(records(0, 500));
  });

  it('is private', async () => {
    await (await open()).note(1, 'x');
    expect((await stat(join(dir, '1.log'))).mode & 0o777).toBe(0o600);
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
  });

  it('can be removed while it is written', async () => {
    const logs = await open();
    await Promise.all([logs.append(1, records(0, 5)), logs.remove(1)]);
    await logs.append(1, records(5, 6));
    await logs.close();
    expect((await read(logs)).at(-1)).toEqual(records(5, 6)[0]);
  });
});

describe('records that a runner sends again', () => {
  it('are stored once, with what is new behind them', async () => {
    const logs = await open();
    await logs.append(1, records(0, 10));
    await logs.append(1, records(0, 10));
    await logs.append(1, records(0, 15));
    await logs.append(1, records(0, 12));
    await logs.append(1, records(12, 20));
    expect(await read(logs)).toEqual(records(0, 20));
  });

  it('are recognised after a restart of the server', async () => {
    const before = await open();
    await before.append(1, records(0, 10));
    await before.append(1, records(10, 30));
    const after = await open();
    await after.append(1, records(10, 35));
    expect(await read(after)).toEqual(records(0, 35));
  });

  it('are completed when a crash cut the batch off in the middle of a line', async () => {
    const before = await open();
    await before.append(1, records(0, 10));
    const torn = `\n${records(10, 12)
      .map(({ time, message }) => `${time} ${message}\n`)
      .join('')}2026-01-01T10:00:00.0000`;
    await appendFile(join(dir, '1.log'), torn);
    const after = await open();
    await after.append(1, records(10, 20));
    expect(await read(after)).toEqual(records(0, 20));
  });

  it('are recognised behind a note of the server', async () => {
    const logs = await open();
    await logs.note(1, 'assigned');
    await logs.append(1, records(0, 10));
    await logs.append(1, records(0, 11));
    expect((await read(logs)).slice(1)).toEqual(records(0, 11));
  });

  it('are not confused with equal lines of other times', async () => {
    const logs = await open();
    const same = (count: number, sub: number): LogRecord[] =>
      Array.from({ length: count }, (_, index) => ({ time: `2026-01-01T10:00:00.${sub + index}Z`, message: 'y' }));
    await logs.append(1, same(5, 100));
    await logs.append(1, same(5, 105));
    expect(await read(logs)).toEqual(same(10, 100));
  });

  it('are reported to the listener once', async () => {
    const logs = await open();
    const seen: string[] = [];
    logs.listener = (taskId, batch) => seen.push(...batch.map(({ message }) => `${taskId} ${message}`));
    await logs.append(1, records(0, 3));
    await logs.append(1, records(0, 3));
    await logs.append(1, records(0, 5));
    await logs.note(2, 'note');
    expect(seen).toEqual(['1 line 0', '1 line 1', '1 line 2', '1 line 3', '1 line 4', '2 note']);
  });

  it('leave neither a gap nor a repetition, however answers are lost and requests are split', async () => {
    const step = fc.record({
      /** Records that came into being since the last request. */
      fresh: fc.nat(20),
      /** How many of the pending ones are sent; the rest waits. */
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      lost: fc.boolean(),
      restart: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        let logs = await open();
        let acknowledged = 0;
        let made = 0;
        for (const { fresh, share, lost, restart } of steps) {
          made += fresh;
          if (restart) {
            await logs.close();
            logs = await open();
          }
          const count = Math.ceil((made - acknowledged) * share);
          await logs.append(1, records(acknowledged, acknowledged + count));
          if (!lost) acknowledged += count;
        }
        await logs.append(1, records(acknowledged, made));
        const stored = await read(logs);
        await logs.remove(1);
        expect(stored.map(({ message }) => message)).toEqual(records(0, made).map(({ message }) => message));
      }),
      { numRuns: 100 },
    );
  });
});
