import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createEventWriter, runJob, type JobTeardown, type RunJobOptions } from '../../src/agent/index.ts';
import { UserError, systemClock } from '../../src/lib/index.ts';
import { readJobRequest } from '../../src/protocol/ci/index.ts';
import { directives, keepingLogger, runTestJob } from './job-setup.ts';

/** A job whose executor, log and teardown only note what is asked of them, one word each. */
function noted(
  teardown: JobTeardown = {},
  executor: Partial<RunJobOptions['executor']> = {},
): { notes: string[]; agentLog: string[]; stop: AbortController; options: RunJobOptions } {
  const notes: string[] = [];
  const agentLog: string[] = [];
  const stop = new AbortController();
  const note =
    (word: string, value = 0) =>
    (): Promise<number> => {
      notes.push(word);
      return Promise.resolve(value);
    };
  const log = {
    write: (line: string) => void notes.push(/"event":"(\w+)"/.exec(line)?.[1] ?? line),
    close: async ({ onClosed }: { onClosed?: (trimmed: boolean) => Promise<void> }) => {
      notes.push('closing');
      await onClosed?.(true);
      notes.push('closed');
    },
  };
  const options: RunJobOptions = {
    request: readJobRequest({ commands: directives('true') }),
    executor: {
      prepare: note('prepare'),
      start: note('start'),
      exportVariables: note('export'),
      injectFiles: note('inject'),
      run: note('run'),
      evaluate: () => Promise.resolve({ output: '', exitCode: 0 }),
      stop: async () => void (await note('stop')()),
      ...executor,
    },
    events: createEventWriter({ log, clock: systemClock }),
    log,
    mode: 'self-hosted',
    stop: stop.signal,
    clock: systemClock,
    teardown,
    logger: keepingLogger(agentLog),
  };
  return { notes, agentLog, stop, options };
}

describe('the teardown', () => {
  it('of a log that is pushed: job_finished, log closed, executor stopped', async () => {
    const { notes, options } = noted();
    expect(await runJob(options)).toBe('passed');
    expect(notes).toEqual([
      'job_started',
      'prepare',
      'start',
      'export',
      'inject',
      'run',
      'export',
      'job_finished',
      'closing',
      'closed',
      'stop',
    ]);
  });

  it('of a log that is fetched: callback, job_finished, fetched, closed, callback, executor stopped', async () => {
    const told: unknown[] = [];
    const { notes, options } = noted({
      finished: async (result) => {
        await delay(5);
        told.push(result);
        notes.push('finished');
      },
      archived: async () => {
        await delay(5);
        notes.push('archived');
      },
      logClosed: async (trimmed) => {
        await delay(5);
        notes.push(`uploaded ${trimmed}`);
      },
      teardownFinished: async () => {
        await delay(5);
        notes.push('teardown finished');
      },
    });
    await runJob(options);
    expect(told).toEqual(['passed']);
    expect(notes.slice(7)).toEqual([
      'finished',
      'job_finished',
      'archived',
      'closing',
      'uploaded true',
      'closed',
      'teardown finished',
      'stop',
    ]);
  });

  it('comes to its end whatever fails in it, with job_finished', async () => {
    const fail = (): Promise<void> => Promise.reject(new Error('no answer'));
    const { notes, agentLog, options } = noted(
      { finished: fail, archived: fail, logClosed: fail, teardownFinished: fail },
      { stop: () => Promise.reject(new Error('will not stop')) },
    );
    expect(await runJob(options)).toBe('passed');
    expect(notes.slice(7)).toEqual(['job_finished', 'closing']);
    expect(agentLog).toEqual([
      'The result of the job could not be told {"error":"no answer"}',
      'It is not known whether the log of the job was fetched {"error":"no answer"}',
      'The log of the job could not be closed {"error":"no answer"}',
      'The end of the teardown could not be told {"error":"no answer"}',
      'The job could not be stopped completely {"error":"will not stop"}',
    ]);
  });

  it.each(['prepare', 'start', 'exportVariables', 'injectFiles', 'run', 'evaluate'] as const)(
    'comes also when the executor breaks in %s',
    async (step) => {
      const { notes, agentLog, options } = noted(
        {},
        {
          run: () => Promise.resolve(step === 'evaluate' ? 130 : 0),
          [step]: () => Promise.reject(new Error('broken')),
        },
      );
      expect(await runJob(options)).toBe('failed');
      expect(notes.slice(-4)).toEqual(['job_finished', 'closing', 'closed', 'stop']);
      expect(agentLog.join('\n')).toContain('broken');
    },
  );

  it('tells the result of a stopped job', async () => {
    const told: string[] = [];
    const { stop, options } = noted(
      { finished: (result) => Promise.resolve(void told.push(result)) },
      {
        run: () => {
          stop.abort();
          return Promise.resolve(1);
        },
      },
    );
    expect(await runJob(options)).toBe('stopped');
    expect(told).toEqual(['stopped']);
  });

  it('does not turn a result that was told', async () => {
    const { notes, stop, options } = noted({ teardownFinished: () => Promise.resolve(stop.abort()) });
    expect(await runJob(options)).toBe('passed');
    expect(notes.filter((word) => word === 'stop')).not.toEqual([]);
  });

  it('neither boots nor runs a job that was stopped before', async () => {
    const { notes, stop, options } = noted();
    stop.abort();
    expect(await runJob(options)).toBe('stopped');
    expect(notes.filter((word) => word !== 'stop')).toEqual(['job_started', 'job_finished', 'closing', 'closed']);
  });

  it('stops the executor at once when it is told to, while it boots', async () => {
    const { notes, stop, options } = noted(
      {},
      {
        start: () => {
          stop.abort();
          notes.push('booting');
          return Promise.resolve(0);
        },
      },
    );
    expect(await runJob(options)).toBe('stopped');
    expect(notes.slice(0, 5)).toEqual(['job_started', 'prepare', 'stop', 'booting', 'job_finished']);
  });
});

describe('createJob', () => {
  it('refuses an executor that it does not have, before anything is written', async () => {
    const lines: string[] = [];
    const job = runTestJob({ request: { executor: 'kettle' }, onLine: (line) => lines.push(line) });
    await expect(job).rejects.toThrow(UserError);
    await expect(job).rejects.toThrow('unknown executor type: kettle');
    expect(lines).toEqual([]);
  });
});
