import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { RemoteError, systemClock, type RemoteErrorKind } from '../../src/lib/index.ts';
import { ConnectionLog } from '../../src/runner/connection-log.ts';
import { Job } from '../../src/runner/job.ts';
import { Reporter, type ReporterOptions } from '../../src/runner/reporter.ts';
import type { TaskHost, TaskOutcome } from '../../src/tasks/index.ts';
import { eventually, jobContext, jobData, noKeys, recordingLogger } from '../support/runner.ts';
import { tempDir } from '../support/temp-dir.ts';

interface Sent {
  at: number;
  jobs: { ID: number; Status: string; LogRecords: { time: string; message: string }[] }[];
}

type Answer = (body: string) => { terminatedJobs: number[] };

function remote(kind: RemoteErrorKind, status: number): RemoteError {
  return new RemoteError(`answered ${status}`, { kind, status, endpoint: 'PUT', retryable: true });
}

function setup(options: Partial<ReporterOptions> = {}) {
  const sent: Sent[] = [];
  const jobs = new Map<number, Job>();
  const finished: number[] = [];
  const terminated: number[] = [];
  const { logger, lines } = recordingLogger();
  let answer: Answer = () => ({ terminatedJobs: [] });
  let inFlight = 0;
  let mostInFlight = 0;
  const reporter: Reporter = new Reporter({
    client: {
      report: async (body) => {
        inFlight += 1;
        mostInFlight = Math.max(mostInFlight, inFlight);
        await systemClock.sleep(2);
        inFlight -= 1;
        const text = String(body);
        const result = answer(text);
        const parsed = JSON.parse(text) as { Jobs: Sent['jobs'] | null };
        sent.push({ at: Date.now(), jobs: parsed.Jobs ?? [] });
        return result;
      },
    },
    clock: systemClock,
    logger,
    connection: new ConnectionLog(logger, systemClock),
    jobs: () => jobs.values(),
    flushIntervalMs: 50,
    heartbeatMs: 200,
    maxRequestBytes: 1024 * 1024,
    onFinished: (list) => {
      for (const job of list) {
        finished.push(job.id);
        jobs.delete(job.id);
        void job.discard();
      }
    },
    onTerminated: (ids) => terminated.push(...ids),
    onConnected: () => lines.push({ level: 'stdout', message: 'connected', fields: {} }),
    ...options,
  });
  onTestFinished(() => reporter.stop());
  const root = tempDir();
  const run = (id: number, script: (host: TaskHost) => Promise<TaskOutcome>): Promise<void> => {
    const context = jobContext(root, (_job, _keys, host) => script(host), {
      onNews: (urgent) => reporter.notify(urgent),
    });
    const job = new Job(id, context);
    jobs.set(id, job);
    return job.run(jobData(id), noKeys);
  };
  const messagesOf = (id: number): string[] =>
    sent.flatMap((entry) =>
      entry.jobs.filter((job) => job.ID === id).flatMap((job) => job.LogRecords.map((record) => record.message)),
    );
  return {
    reporter,
    sent,
    jobs,
    finished,
    terminated,
    lines,
    run,
    messagesOf,
    answerWith: (next: Answer) => {
      answer = next;
    },
    mostInFlight: () => mostInFlight,
  };
}

describe('Reporter', () => {
  it('says once that it is connected, with an empty report', async () => {
    const { reporter, sent, lines } = setup();
    reporter.start();
    await eventually(() => sent.length === 1);
    reporter.notify(true);
    await systemClock.sleep(100);
    expect(sent).toEqual([{ at: expect.any(Number), jobs: [] }]);
    expect(lines.filter((line) => line.message === 'connected')).toHaveLength(1);
  });

  it('delivers log and status of several jobs in order, one request at a time', async () => {
    const t = setup();
    t.reporter.start();
    await Promise.all(
      [1, 2, 3].map((id) =>
        t.run(id, async (host) => {
          for (let line = 0; line < 30; line += 1) {
            host.log(`line ${line}`);
            await systemClock.sleep(3);
          }
          return { kind: 'success' };
        }),
      ),
    );
    await eventually(() => t.finished.length === 3);
    const expected = Array.from({ length: 30 }, (_, line) => `line ${line}`);
    for (const id of [1, 2, 3]) expect(t.messagesOf(id)).toEqual(expected);
    expect(t.mostInFlight()).toBe(1);
    // 90 lines in about 100 ms came in a few requests.
    expect(t.sent.length).toBeLessThan(15);
  });

  it('keeps everything while the server fails and delivers it once afterwards', async () => {
    const t = setup();
    let failures = 0;
    t.answerWith(() => {
      failures += 1;
      throw remote('rejected', 500);
    });
    t.reporter.start();
    await t.run(1, async (host) => {
      host.log('a');
      host.log('b');
      return { kind: 'success' };
    });
    await eventually(() => failures >= 1);
    expect(t.finished).toEqual([]);
    t.answerWith(() => ({ terminatedJobs: [] }));
    t.reporter.connectionIsBack();
    await eventually(() => t.finished.length === 1);
    expect(t.messagesOf(1)).toEqual(['a', 'b']);
    expect(t.lines.filter((line) => line.level === 'error')).toHaveLength(1);
    expect(t.lines.some((line) => line.message === 'Connection to the server is back')).toBe(true);
  });

  it('halves the request until the server takes it', async () => {
    const t = setup({ maxRequestBytes: 512 * 1024 });
    t.answerWith((body) => {
      if (body.length > 100_000) throw remote('too_large', 413);
      return { terminatedJobs: [] };
    });
    await t.run(1, async (host) => {
      for (let line = 0; line < 3000; line += 1) host.log(`${line} ${'x'.repeat(80)}`);
      return { kind: 'success' };
    });
    t.reporter.start();
    await eventually(() => t.finished.length === 1);
    expect(t.messagesOf(1).map((message) => Number.parseInt(message, 10))).toEqual(
      Array.from({ length: 3000 }, (_, line) => line),
    );
  });

  it('delivers the other jobs when the server refuses one of a batch', async () => {
    const t = setup();
    t.answerWith((body) => {
      if (body.includes('poison')) throw remote('rejected', 400);
      return { terminatedJobs: [] };
    });
    await Promise.all(
      [1, 2, 3].map((id) =>
        t.run(id, (host) => {
          host.log(id === 2 ? 'poison' : 'fine');
          return Promise.resolve({ kind: 'success' });
        }),
      ),
    );
    t.reporter.start();
    await eventually(() => t.finished.length === 2);
    expect(t.finished.toSorted((a, b) => a - b)).toEqual([1, 3]);
    expect(t.jobs.has(2)).toBe(true);
  });

  it('reports a silent task at the heartbeat and passes on what the server gave up', async () => {
    const t = setup();
    t.reporter.start();
    let release = (): void => undefined;
    const done = t.run(1, async () => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return { kind: 'success' };
    });
    await eventually(() => t.sent.filter((entry) => entry.jobs.length === 1).length >= 3);
    t.answerWith(() => ({ terminatedJobs: [1] }));
    await eventually(() => t.terminated.length > 0);
    expect(t.terminated[0]).toBe(1);
    release();
    await done;
  });

  it('has nothing to say of a task that was given up and still ends, and waits for the next news', async () => {
    const t = setup();
    t.reporter.start();
    const done = t.run(1, async (host) => {
      host.log('begun');
      await systemClock.sleep(600);
      return { kind: 'success' };
    });
    await eventually(() => t.messagesOf(1).length === 1);
    t.jobs.get(1)?.giveUp(() => undefined);
    const before = t.sent.length;
    t.reporter.heartbeatNow();
    await done;
    expect(t.sent.length - before).toBeLessThanOrEqual(1);
    expect(t.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('keeps a pause that the server asked for, although its other answers come', async () => {
    const t = setup();
    let asked = 0;
    t.answerWith(() => {
      asked += 1;
      throw new RemoteError('busy', {
        kind: 'busy',
        status: 429,
        endpoint: 'PUT',
        retryable: true,
        retryAfterMs: 60_000,
      });
    });
    t.reporter.start();
    await eventually(() => asked === 1);
    for (let poll = 0; poll < 10; poll += 1) {
      t.reporter.connectionIsBack();
      t.reporter.notify(true);
      await systemClock.sleep(20);
    }
    expect(asked).toBe(1);
  });
});

describe('a log that cannot be read', () => {
  it('does not end the reporter; the report follows when it can be read again', async () => {
    const t = setup();
    await t.run(1, (host) => {
      host.log('a');
      return Promise.resolve({ kind: 'success' });
    });
    const job = t.jobs.get(1);
    let failures = 0;
    const report = vi.spyOn(Job.prototype, 'report').mockImplementation(() => {
      failures += 1;
      throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' });
    });
    t.reporter.start();
    await eventually(() => failures >= 1);
    report.mockRestore();
    await eventually(() => t.finished.length === 1);
    expect(t.messagesOf(1)).toEqual(['a']);
    expect(t.lines.find((line) => line.level === 'error')?.fields['error']).toContain('EIO');
    expect(job?.state).toBe('gone');
  });
});
