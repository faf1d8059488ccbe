import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Seal } from '../../src/execution/index.ts';
import { ProgressBody } from '../../src/protocol/ui/index.ts';
import { Job, type PendingReport } from '../../src/runner/job.ts';
import type { Step } from '../../src/tasks/index.ts';
import { eventually, jobContext, jobData, noKeys } from '../support/runner.ts';
import { tempDir } from '../support/temp-dir.ts';

function bash(script: string, key = 'run'): Step {
  return {
    key,
    phase: 'run',
    command: 'bash',
    args: ['-c', script],
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '' },
    stop: { signal: 'SIGTERM', graceMs: 500 },
  };
}

interface Report extends PendingReport {
  messages: string[];
}

const body = new ProgressBody();

/** The next report of a job, with the messages of its records. */
function next(job: Job | undefined, maxBytes: number, always: boolean): Report | undefined {
  body.reset();
  const pending = job?.report(body, maxBytes, always);
  if (!pending) return undefined;
  const { Jobs } = JSON.parse(body.finish().toString()) as { Jobs: { LogRecords: { message: string }[] }[] };
  return { ...pending, messages: Jobs.flatMap((entry) => entry.LogRecords.map((record) => record.message)) };
}

function messages(pending: Report | undefined): string[] {
  return pending?.messages ?? [];
}

describe('Job', () => {
  it('goes from queued over active to ended and gone, and leaves no directory', async () => {
    const root = tempDir();
    const job = new Job(
      7,
      jobContext(root, async (_job, _keys, host) => {
        host.log('Preparing: 7');
        await host.run(bash('echo hello'));
        return { kind: 'success' };
      }),
    );
    expect(job.state).toBe('queued');
    expect(next(job, 1000, true)).toBeUndefined();
    const done = job.run(jobData(7), noKeys);
    expect(job.state).toBe('active');
    await done;
    expect([job.state, job.status]).toEqual(['ended', 'success']);
    const last = next(job, 100_000, false);
    expect(messages(last)).toEqual(['Preparing: 7', 'hello']);
    expect(last?.status).toBe('success');
    expect(last && job.acknowledge(last)).toBe(true);
    await job.discard();
    expect(job.state).toBe('gone');
    expect(existsSync(join(root, 'jobs', '7'))).toBe(false);
  });

  it('reports the final status only with the last of the log', async () => {
    const job = new Job(
      1,
      jobContext(tempDir(), async (_job, _keys, host) => {
        await host.run(bash('seq 1 200'));
        return { kind: 'failed', reason: 'it failed' };
      }),
    );
    await job.run(jobData(1), noKeys);
    const statuses: string[] = [];
    const seen: string[] = [];
    for (let pending = next(job, 2_000, false); pending; pending = next(job, 2_000, false)) {
      statuses.push(pending.status);
      seen.push(...messages(pending));
      if (job.acknowledge(pending)) break;
    }
    expect(statuses.length).toBeGreaterThan(3);
    expect(statuses.slice(0, -1).every((status) => status === 'running')).toBe(true);
    expect(statuses.at(-1)).toBe('error');
    expect(seen).toEqual([...Array.from({ length: 200 }, (_, index) => String(index + 1)), 'it failed']);
    await job.discard();
  });

  it('gives the same report again until it is acknowledged, and nothing when there is no news', async () => {
    const job = new Job(
      1,
      jobContext(tempDir(), async (_job, _keys, host) => {
        host.setCommit({ hash: 'abc', message: 'first' });
        await host.run(bash('echo a'));
        return { kind: 'success' };
      }),
    );
    await job.run(jobData(1), noKeys);
    const first = next(job, 100_000, false);
    const again = next(job, 100_000, false);
    expect(again).toEqual(first);
    expect(first?.commit).toEqual({ hash: 'abc', message: 'first' });
    if (again) job.acknowledge(again);
    expect(next(job, 100_000, false)).toBeUndefined();
    await job.discard();
  });

  it('ends at once when it is stopped before its turn, without a directory', async () => {
    const root = tempDir();
    const job = new Job(
      3,
      jobContext(root, () => Promise.reject(new Error('must not run'))),
    );
    job.stop();
    await job.run(jobData(3), noKeys);
    expect([job.state, next(job, 1000, false)?.status]).toEqual(['ended', 'stopped']);
    expect(existsSync(join(root, 'jobs'))).toBe(false);
  });

  it('stops a running task at the first sight of "stopping" and reports stopped', async () => {
    const job = new Job(
      4,
      jobContext(tempDir(), async (_job, _keys, host) => {
        const result = await host.run(bash('echo started; sleep 60'));
        return result.kind === 'stopped' ? { kind: 'stopped' } : { kind: 'success' };
      }),
    );
    const done = job.run(jobData(4), noKeys);
    await eventually(() => messages(next(job, 100_000, true)).includes('started'));
    job.adopt('stopping');
    expect(job.status).toBe('stopping');
    await done;
    expect(job.status).toBe('stopped');
    expect(messages(next(job, 100_000, false))).toEqual(['started', 'Task was stopped.']);
    await job.discard();
  });

  it('masks secrets that are added while it runs, and its own', async () => {
    const context = jobContext(
      tempDir(),
      async (_job, _keys, host) => {
        host.addSecret('hunter22');
        await host.run(bash('echo pass=hunter22 token=runner-token'));
        return { kind: 'failed', reason: 'cannot use hunter22' };
      },
      { ownSecrets: ['runner-token'] },
    );
    const job = new Job(5, context);
    await job.run(jobData(5), noKeys);
    expect(messages(next(job, 100_000, false))).toEqual(['pass=*** token=***', 'cannot use ***']);
    await job.discard();
  });

  it('keeps its files private and its content sealed', async () => {
    const root = tempDir();
    const job = new Job(
      6,
      jobContext(root, async (_job, _keys, host) => {
        host.addSecret('hunter22');
        await host.run(bash('true'));
        return { kind: 'success' };
      }),
    );
    await job.run(jobData(6), noKeys);
    const directory = join(root, 'jobs', '6');
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(directory)) {
      expect([name, statSync(join(directory, name)).mode & 0o777]).toEqual([name, 0o600]);
      expect(readFileSync(join(directory, name), 'latin1')).not.toContain('hunter22');
    }
    await job.discard();
  });

  it('turns a fault of its own into a failed task', async () => {
    const job = new Job(
      8,
      jobContext(tempDir(), () => Promise.reject(new Error('boom'))),
    );
    await job.run(jobData(8), noKeys);
    expect(job.status).toBe('error');
    expect(messages(next(job, 100_000, false))).toEqual(['The runner could not run this task: boom']);
    await job.discard();
  });

  it('fails with a line in the log when its directory cannot be made', async () => {
    const context = jobContext(tempDir(), () => Promise.resolve({ kind: 'success' }), { jobsRoot: '/dev/null/jobs' });
    const job = new Job(9, context);
    await job.run(jobData(9), noKeys);
    const pending = next(job, 100_000, false);
    expect(pending?.status).toBe('error');
    expect(messages(pending)[0]).toMatch(/could not run this task: ENOTDIR/);
  });
});

describe('Job.recover', () => {
  const script = async (root: string, acknowledgeFirst: boolean) => {
    const context = jobContext(root, async (_job, _keys, host) => {
      host.addSecret('hunter22');
      await host.run(bash('echo one; echo two hunter22'));
      return { kind: 'success' };
    });
    const job = new Job(11, context);
    await job.run(jobData(11), noKeys);
    if (acknowledgeFirst) {
      const first = next(job, 70, false);
      if (first) job.acknowledge(first);
    }
    job.detach();
    return context;
  };

  it('delivers what the server does not have yet, masked, and the recorded status', async () => {
    const root = tempDir();
    const context = await script(root, true);
    const recovered = Job.recover(11, context);
    const pending = next(recovered, 100_000, false);
    expect(messages(pending)).toEqual(['two ***']);
    expect(pending?.status).toBe('success');
    await recovered?.discard();
  });

  it('withholds the log when the secrets cannot be read any more', async () => {
    const root = tempDir();
    const context = await script(root, false);
    const recovered = Job.recover(11, { ...context, seal: new Seal('another token') });
    expect(messages(next(recovered, 100_000, false)).join('\n')).toMatch(/^Part of the log is withheld/);
    await recovered?.discard();
  });

  it('ends what still runs and says so when the task was not over', async () => {
    const root = tempDir();
    const context = jobContext(root, async (_job, _keys, host) => {
      await host.run(bash('echo started; setsid sleep 60 & sleep 60'));
      return { kind: 'success' };
    });
    const job = new Job(12, context);
    const done = job.run(jobData(12), noKeys);
    await eventually(() => messages(next(job, 100_000, true)).includes('started'));
    const recovered = Job.recover(12, context);
    const pending = next(recovered, 100_000, false);
    expect(messages(pending)).toEqual([
      'started',
      'The runner ended while this task ran, and started again; the task was ended.',
    ]);
    expect(pending?.status).toBe('error');
    recovered?.detach();
    await done;
    await job.discard();
  });
});
