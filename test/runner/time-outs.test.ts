import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '../../src/lib/index.ts';
import { ProgressBody } from '../../src/protocol/ui/index.ts';
import type { JobContext } from '../../src/runner/job-context.ts';
import { Job } from '../../src/runner/job.ts';
import type { Phase, Step, TaskHost, TaskOutcome } from '../../src/tasks/index.ts';
import { eventually, jobContext, jobData, noKeys } from '../support/runner.ts';
import { killTask, Survivors } from '../support/survivors.ts';
import { tempDir } from '../support/temp-dir.ts';

vi.setConfig({ testTimeout: 60_000 });

function bash(script: string, phase: Phase = 'run'): Step {
  return {
    key: phase,
    phase,
    command: 'bash',
    args: ['-c', script],
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '' },
    stop: { signal: 'SIGTERM', graceMs: 500 },
  };
}

type TimeOuts = Partial<JobContext['timeOuts']>;

/** A task on a runner with time-outs. What an ended task says comes from `result`. */
function contextWith(
  timeOuts: TimeOuts,
  execute: (host: TaskHost) => Promise<TaskOutcome>,
  root = tempDir(),
): JobContext {
  return jobContext(root, (_job, _keys, host) => execute(host), {
    timeOuts: { taskTimeoutMs: undefined, noOutputTimeoutMs: undefined, ...timeOuts },
  });
}

async function outcomeOf(host: TaskHost, step: Step): Promise<TaskOutcome> {
  const { kind } = await host.run(step);
  return kind === 'stopped' ? { kind } : { kind: 'success' };
}

/** The lines of the log that are still to report, acknowledged as they come, and the last status. */
function result(job: Job | undefined): { lines: string[]; status: string | undefined } {
  const lines: string[] = [];
  let status: string | undefined;
  for (;;) {
    const body = new ProgressBody();
    const report = job?.report(body, { bytes: 100_000, lineBytes: 65_536 }, false);
    if (!report) return { lines, status };
    const { Jobs } = JSON.parse(body.finish().toString()) as { Jobs: { LogRecords: { message: string }[] }[] };
    lines.push(...Jobs.flatMap((entry) => entry.LogRecords.map(({ message }) => message)));
    ({ status } = report);
    job?.acknowledge(report);
  }
}

async function expectNothingLeft(job: Job | undefined): Promise<void> {
  const tag = job?.tag ?? '';
  await new Survivors(tag).expectNone();
  await job?.discard();
}

async function run(context: JobContext, id = 1): Promise<Job> {
  const job = new Job(id, context);
  onTestFinished(() => killTask(job.tag ?? 'none'));
  await job.run(jobData(id), noKeys);
  return job;
}

describe('a task that takes too long', () => {
  it('is ended with all it started, fails, and says which limit it was', async () => {
    const job = await run(
      contextWith({ taskTimeoutMs: 1000 }, (host) =>
        outcomeOf(host, bash('setsid sleep 61 & while :; do echo busy; sleep 0.1; done')),
      ),
    );
    const { lines, status } = result(job);
    expect(status).toBe('error');
    expect(lines[0]).toBe('busy');
    expect(lines.at(-1)).toBe('Task failed in run: it ran longer than 1 s (runner.task_timeout_seconds).');
    await expectNothingLeft(job);
  });

  it('is not ended when it is done in time', async () => {
    const job = await run(
      contextWith({ taskTimeoutMs: 60_000, noOutputTimeoutMs: 60_000 }, (host) => outcomeOf(host, bash('echo done'))),
    );
    expect(result(job)).toEqual({ lines: ['done'], status: 'success' });
    await expectNothingLeft(job);
  });

  it('names the phase that it was in, and is ended also while a user is asked', async () => {
    const cloning = await run(
      contextWith({ taskTimeoutMs: 500 }, (host) => outcomeOf(host, bash('sleep 61', 'clone'))),
    );
    expect(result(cloning).lines.at(-1)).toMatch(/^Task failed in clone: it ran longer than 0\.5 s/);
    const asking = await run(
      contextWith({ taskTimeoutMs: 500 }, async (host) => {
        await host.waitForDecision().catch(() => 'stopped');
        return { kind: 'stopped' };
      }),
    );
    expect(result(asking).status).toBe('error');
    await expectNothingLeft(cloning);
    await expectNothingLeft(asking);
  });

  it('has no more time because the runner was started again', async () => {
    const root = tempDir();
    let alive = true;
    // Hours have gone by for the next runner.
    const clock = { ...systemClock, now: () => Date.now() + (alive ? 0 : 7_200_000) };
    const context = {
      ...contextWith(
        { taskTimeoutMs: 3_600_000 },
        async (host) => {
          const outcome = await outcomeOf(host, bash('echo started; sleep 61'));
          // The first runner is killed: it does nothing any more.
          return host.resumed ? outcome : new Promise<never>(() => undefined);
        },
        root,
      ),
      clock,
    };
    const first = new Job(5, context);
    void first.run(jobData(5), noKeys);
    await eventually(() => result(first).lines.includes('started'));
    alive = false;
    const recovered = Job.recover(5, context);
    await recovered?.resume?.();
    const { lines, status } = result(recovered?.job);
    expect(status).toBe('error');
    expect(lines.at(-1)).toBe('Task failed in run: it ran longer than 3600 s (runner.task_timeout_seconds).');
    await expectNothingLeft(recovered?.job);
  });
});

describe('a task whose tool is silent for too long', () => {
  it('is ended with all it started, fails, and says which limit it was', async () => {
    const job = await run(
      contextWith({ noOutputTimeoutMs: 1000 }, (host) =>
        outcomeOf(host, bash('for i in 1 2 3 4; do echo $i; sleep 0.5; done; sleep 61')),
      ),
    );
    const { lines, status } = result(job);
    expect(status).toBe('error');
    expect(lines).toEqual([
      '1',
      '2',
      '3',
      '4',
      'Task failed in run: it wrote nothing for 1 s (runner.no_output_timeout_seconds).',
    ]);
    await expectNothingLeft(job);
  });

  it('is ended also when that is something whose output is not for the log', async () => {
    const job = await run(
      contextWith({ noOutputTimeoutMs: 500 }, async (host) => {
        await host.capture(bash('sleep 61', 'clone'));
        return { kind: 'stopped' };
      }),
    );
    expect(result(job).lines.at(-1)).toMatch(/^Task failed in clone: it wrote nothing for 0\.5 s/);
    await expectNothingLeft(job);
  });

  it('is ended also when that is part of something that is done once', async () => {
    const job = await run(
      contextWith({ noOutputTimeoutMs: 500 }, (host) =>
        host.once('outer', (inner) => inner.once('inner', (most) => outcomeOf(most, bash('sleep 61', 'clone')))),
      ),
    );
    expect(result(job).lines.at(-1)).toMatch(/^Task failed in clone: it wrote nothing for 0\.5 s/);
    await expectNothingLeft(job);
  });

  it('is not ended while a user is asked', async () => {
    const job = new Job(
      3,
      contextWith({ noOutputTimeoutMs: 300 }, async (host) => {
        await host.waitForDecision();
        return outcomeOf(host, bash('echo confirmed'));
      }),
    );
    const over = job.run(jobData(3), noKeys);
    await eventually(() => job.status === 'waiting_confirmation');
    await systemClock.sleep(1500);
    expect(job.status).toBe('waiting_confirmation');
    job.adopt('confirmed');
    await over;
    expect(result(job)).toEqual({ lines: ['confirmed'], status: 'success' });
    await expectNothingLeft(job);
  });
});

describe('a time-out and a user who stops the task', () => {
  it.each([
    ['the user', 5000, 'stopped', 'Task was stopped.'],
    ['the time-out', 1000, 'error', /ran longer than 1 s/],
  ] as const)('count in the order in which they come: %s first', async (who, taskTimeoutMs, status, line) => {
    const root = tempDir();
    const ready = join(root, 'ready');
    const step = {
      ...bash(`trap '' TERM; touch ${ready}; while :; do sleep 0.1; done`),
      stop: { signal: 'SIGTERM', graceMs: 6000 } as const,
    };
    const job = new Job(
      4,
      contextWith({ taskTimeoutMs }, (host) => outcomeOf(host, step), root),
    );
    const over = job.run(jobData(4), noKeys);
    await eventually(() => existsSync(ready));
    if (who === 'the time-out') await systemClock.sleep(2000);
    // By the user, again, by a forced stop, by a runner that is shut down: all at once.
    job.adopt('stopping');
    job.adopt('stopping');
    job.stop();
    job.stop();
    await over;
    job.stop();
    const told = result(job);
    expect(told.status).toBe(status);
    expect(told.lines.at(-1)).toMatch(line);
    expect(told.lines.filter((each) => each === told.lines.at(-1))).toHaveLength(1);
    await expectNothingLeft(job);
  });
});
