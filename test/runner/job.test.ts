import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { JobDirectory, Seal } from '../../src/execution/index.ts';
import { ProgressBody } from '../../src/protocol/ui/index.ts';
import { jobFormat } from '../../src/runner/earlier-job.ts';
import { Job, type PendingReport } from '../../src/runner/job.ts';
import type { Step } from '../../src/tasks/index.ts';
import type { Logger } from '../../src/telemetry/index.ts';
import { eventually, jobContext, jobData, noKeys } from '../support/runner.ts';
import { findTask, killTask } from '../support/survivors.ts';
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
  const pending = job?.report(body, { bytes: maxBytes, lineBytes: 65_536 }, always);
  if (!pending) return undefined;
  const { Jobs } = JSON.parse(body.finish().toString()) as { Jobs: { LogRecords: { message: string }[] }[] };
  return { ...pending, messages: Jobs.flatMap((entry) => entry.LogRecords.map((record) => record.message)) };
}

function messages(pending: Report | undefined): string[] {
  return pending?.messages ?? [];
}

/** Everything that is left to report, acknowledged as it comes: the messages, and the last status. */
function rest(job: Job | undefined): { messages: string[]; status: string | undefined } {
  const all: string[] = [];
  let status: string | undefined;
  for (let pending = next(job, 100_000, false); pending; pending = next(job, 100_000, false)) {
    all.push(...pending.messages);
    ({ status } = pending);
    if (job?.acknowledge(pending)) break;
  }
  return { messages: all, status };
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
    expect(rest(job).messages).toEqual(['started', 'Task was stopped.']);
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

  it('masks its secrets in what the runner says of it', async () => {
    const said: unknown[] = [];
    const note = (...words: unknown[]): void => void said.push(words);
    const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger };
    const context = jobContext(
      tempDir(),
      (_job, _keys, host) => {
        host.addSecret('hunter22');
        return Promise.reject(new Error('cannot use hunter22'));
      },
      { logger },
    );
    const job = new Job(15, context);
    await job.run(jobData(15), noKeys);
    expect(JSON.stringify(said)).toContain('cannot use ***');
    expect(JSON.stringify(said)).not.toContain('hunter22');
    await job.discard();
  });

  it('sends a line that was held back as what may begin a secret, though nothing more is written', async () => {
    const root = tempDir();
    let news = 0;
    const context = jobContext(
      root,
      async (_job, _keys, host) => {
        host.addSecret('wrapped-secret-value');
        const result = await host.run(bash('echo one; echo wrapped-secret; sleep 60'));
        return result.kind === 'stopped' ? { kind: 'stopped' } : { kind: 'success' };
      },
      { onNews: () => (news += 1) },
    );
    const job = new Job(16, context);
    const done = job.run(jobData(16), noKeys);
    const seen: string[] = [];
    let looked = -1;
    await eventually(() => {
      // As the reporter does: only when there is news.
      if (news === looked) return false;
      looked = news;
      const pending = next(job, 100_000, false);
      if (pending) {
        seen.push(...pending.messages);
        job.acknowledge(pending);
      }
      return seen.length === 2;
    });
    expect(seen).toEqual(['one', 'wrapped-secret']);
    job.stop();
    await done;
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
    expect(messages(pending)[0]).toMatch(/could not run this task: .*ENOTDIR/);
  });
});

describe('Job.recover', () => {
  const ended = async (root: string, acknowledgeFirst: boolean) => {
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
    const context = await ended(root, true);
    const recovered = Job.recover(11, context);
    expect(recovered?.resume).toBeUndefined();
    const pending = next(recovered?.job, 100_000, false);
    expect(messages(pending)).toEqual(['two ***']);
    expect(pending?.status).toBe('success');
    await recovered?.job.discard();
  });

  it('reports the final status only with the last of the log', async () => {
    const root = tempDir();
    const recovered = Job.recover(11, await ended(root, false))?.job;
    const first = next(recovered, 70, false);
    expect([messages(first), first?.status]).toEqual([['one'], 'running']);
    expect(first && recovered?.acknowledge(first)).toBe(false);
    const last = next(recovered, 70, false);
    expect([messages(last), last?.status]).toEqual([['two ***'], 'success']);
    expect(last && recovered?.acknowledge(last)).toBe(true);
    await recovered?.discard();
  });

  it('gives what was on its way again with the same times', async () => {
    const root = tempDir();
    const context = await ended(root, false);
    const times = (job: Job | undefined): string[] => {
      body.reset();
      job?.report(body, { bytes: 100_000, lineBytes: 65_536 }, false);
      return (
        body
          .finish()
          .toString()
          .match(/"time":"[^"]+"/g) ?? []
      );
    };
    const first = Job.recover(11, context)?.job;
    const sent = times(first);
    first?.detach();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const second = Job.recover(11, context)?.job;
    expect(sent).toHaveLength(2);
    expect(times(second)).toEqual(sent);
    await second?.discard();
  });

  it('withholds the log when the secrets cannot be read any more', async () => {
    const root = tempDir();
    const context = await ended(root, false);
    const recovered = Job.recover(11, { ...context, seal: Seal.fromToken('another token') })?.job;
    expect(messages(next(recovered, 100_000, false)).join('\n')).toMatch(/^Part of the log is withheld/);
    await recovered?.discard();
  });

  /** A task of three steps, played by a runner that is gone from `left` on: its promises never go on. */
  const threeSteps = (root: string, marks: string) => {
    let alive = true;
    const runs: string[] = [];
    const context = jobContext(root, async (_job, _keys, host) => {
      const step = async (key: string, script: string) => {
        runs.push(key);
        const result = await host.run(bash(script, key));
        if (!alive && !host.resumed) await new Promise(() => undefined);
        return result;
      };
      host.log('Preparing');
      const value = await host.once('number', () => Promise.resolve(runs.length));
      await step('first', `echo first ${value}; echo first >> ${marks}`);
      host.log('between');
      const { stdout } = await host.capture(bash('echo captured', 'look'));
      await step(
        'second',
        `echo second; echo second >> ${marks}; while [ ! -e ${marks}.go ]; do sleep 0.05; done; echo on; exit 3`,
      );
      host.log(`third with ${stdout.trim()}`);
      await step('third', `echo third; echo third >> ${marks}`);
      return { kind: 'success' };
    });
    return { context, leave: () => (alive = false) };
  };

  it('takes a running step over: nothing is run twice, nothing said twice, and the later steps still run', async () => {
    const root = tempDir();
    const marks = join(root, 'marks');
    const { context, leave } = threeSteps(root, marks);
    const job = new Job(13, context);
    void job.run(jobData(13), noKeys);
    await eventually(() => existsSync(marks) && readFileSync(marks, 'utf8').includes('second'));
    leave();
    const recovered = Job.recover(13, context);
    expect([recovered?.job.status, recovered?.job.state]).toEqual(['running', 'active']);
    const over = recovered?.resume?.();
    writeFileSync(`${marks}.go`, '');
    await over;
    const { messages: lines, status } = rest(recovered?.job);
    expect(lines).toEqual(['Preparing', 'first 0', 'between', 'second', 'on', 'third with captured', 'third']);
    expect(status).toBe('success');
    expect(readFileSync(marks, 'utf8')).toBe('first\nsecond\nthird\n');
    const events = JobDirectory.open(join(root, 'jobs'), 13, context.seal)?.events();
    expect(events?.filter((event) => event.type === 'step-ended').map((event) => event.result)).toContainEqual({
      kind: 'exited',
      code: 3,
    });
    await recovered?.job.discard();
  });

  it('stops a step that it has taken over, with everything the step started', async () => {
    const root = tempDir();
    const context = jobContext(root, async (_job, _keys, host) => {
      const result = await host.run(bash('echo started; setsid sleep 61 & trap "" TERM; sleep 61; sleep 61'));
      return result.kind === 'stopped' ? { kind: 'stopped' } : { kind: 'success' };
    });
    const job = new Job(12, context);
    void job.run(jobData(12), noKeys);
    await eventually(() => messages(next(job, 100_000, true)).includes('started'));
    const recovered = Job.recover(12, context);
    const over = recovered?.resume?.();
    recovered?.job.adopt('stopping');
    await over;
    expect(rest(recovered?.job)).toEqual({ messages: ['started', 'Task was stopped.'], status: 'stopped' });
    expect(findTask(JobDirectory.open(join(root, 'jobs'), 12, context.seal)?.tag ?? '')).toEqual([]);
    await recovered?.job.discard();
  });

  it('ends what runs of a task that was being stopped, and says so once', async () => {
    const root = tempDir();
    const context = jobContext(root, async (_job, _keys, host) => {
      await host.run(bash('echo started; trap "" TERM; sleep 61; sleep 61'));
      return { kind: 'stopped' };
    });
    const directory = await JobDirectory.create(join(root, 'jobs'), 14, '{}', context.seal);
    const job = new Job(15, context);
    void job.run(jobData(15), noKeys);
    await eventually(() => messages(next(job, 100_000, true)).includes('started'));
    directory.record({ type: 'status', status: 'stopping' });
    directory.appendLine('Task was stopped.');
    directory.close();
    const recovered = Job.recover(14, context);
    await recovered?.resume?.();
    const pending = next(recovered?.job, 100_000, false);
    expect([pending?.status, messages(pending)]).toEqual(['stopped', ['Task was stopped.']]);
    await recovered?.job.discard();
    job.stop();
    await eventually(() => job.state === 'ended');
    await job.discard();
  });

  it.each([
    ['the machine was restarted', { machine: 'another life' }, /^The machine was restarted while this task ran/],
    ['the record is of another version', { format: 1 }, /^This task was begun by another version of the runner/],
  ])(
    'ends a task with one truthful line when %s',
    async (_why, { machine, format }: { machine?: string; format?: number }, line) => {
      const root = tempDir();
      const context = jobContext(root, () => Promise.reject(new Error('must not run')));
      const jobs = join(root, 'jobs');
      const directory = await JobDirectory.create(
        jobs,
        16,
        JSON.stringify({ format: format ?? jobFormat }),
        context.seal,
      );
      directory.record({ type: 'status', status: 'running' });
      directory.close();
      const events = join(jobs, '16', 'steps.jsonl');
      if (machine !== undefined) {
        writeFileSync(events, readFileSync(events, 'utf8').replace(/"machine":"[^"]*"/, `"machine":"${machine}"`));
      }
      const recovered = Job.recover(16, context);
      await recovered?.resume?.();
      const pending = next(recovered?.job, 100_000, false);
      expect(pending?.status).toBe('error');
      expect(messages(pending)).toEqual([expect.stringMatching(line)]);
      await recovered?.job.discard();
    },
  );

  it('says that a step was lost when it is gone without an exit code', async () => {
    const root = tempDir();
    const context = jobContext(root, async (_job, _keys, host) => {
      const result = await host.run(bash('echo started; sleep 61'));
      if (!host.resumed) await new Promise(() => undefined);
      return { kind: 'failed', reason: `it was ${result.kind}` };
    });
    const job = new Job(17, context);
    void job.run(jobData(17), noKeys);
    await eventually(() => messages(next(job, 100_000, true)).includes('started'));
    killTask(JobDirectory.open(join(root, 'jobs'), 17, context.seal)?.tag ?? '');
    // As if the runner had been killed with it, before it could note the end.
    const events = join(root, 'jobs', '17', 'steps.jsonl');
    await eventually(() => readFileSync(events, 'utf8').includes('step-ended'));
    writeFileSync(events, readFileSync(events, 'utf8').replace(/.*"step-ended".*\n/, ''));
    const recovered = Job.recover(17, context);
    await recovered?.resume?.();
    expect(rest(recovered?.job).messages).toEqual(['started', 'it was lost']);
    await recovered?.job.discard();
  });
});
