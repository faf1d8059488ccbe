import { describe, expect, it, vi } from 'vitest';
import type { RunnerConfig } from '../../src/config/index.ts';
import { Cgroups } from '../../src/execution/index.ts';
import { ProgressBody } from '../../src/protocol/ui/index.ts';
import { Job } from '../../src/runner/job.ts';
import { openCgroups } from '../../src/runner/task-cgroups.ts';
import { requireSuccess } from '../../src/tasks/problem.ts';
import { jobContext, jobData, noKeys, recordingLogger } from '../support/runner.ts';
import { Survivors } from '../support/survivors.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';

vi.setConfig({ testTimeout: 60_000 });

const mebibyte = 1024 * 1024;
const none = { cpu: undefined, memoryBytes: undefined, processes: undefined };

function configWith(changes: Partial<Pick<RunnerConfig['runner'], 'cgroup' | 'limits'>>): RunnerConfig['runner'] {
  return { cgroup: 'auto', limits: none, ...changes } as RunnerConfig['runner'];
}

const opened = await Cgroups.open({ limits: { ...none, memoryBytes: 64 * mebibyte }, owner: `limits ${process.pid}` });
const cgroups = opened instanceof Cgroups ? opened : undefined;
if (!(opened instanceof Cgroups)) process.stderr.write(`\n!!! ${opened.reason}: tests of limits are not run.\n\n`);

describe('limits that nothing can keep', () => {
  it('keep the runner from starting, with reason and remedy', async () => {
    const config = configWith({ limits: { ...none, memoryBytes: mebibyte } });
    const places = [{ version: 2, controllers: ['cpu'], path: '/nowhere' }] as const;
    await expect(openCgroups(config, tempDir(), recordingLogger().logger, [...places])).rejects.toMatchObject({
      name: 'UserError',
      message: 'Cannot keep runner.limits: the memory controller is not available for /nowhere.',
      hint: expect.stringContaining('Delegate=yes'),
    });
  });

  it('do not matter where none are set', async () => {
    const { lines, logger } = recordingLogger();
    expect(await openCgroups(configWith({}), tempDir(), logger, [])).toBeUndefined();
    expect(lines).toMatchObject([{ level: 'debug', fields: { reason: 'no cgroup file system is mounted' } }]);
    expect(await openCgroups(configWith({ cgroup: 'off' }), tempDir(), logger)).toBeUndefined();
  });
});

describe.runIf(cgroups !== undefined && needs('python3'))('a task that needs more memory than it may have', () => {
  it.each([
    [
      'fails',
      '',
      'error',
      /^Task failed in run: python3 was killed by SIGKILL\..* The task needed more memory .* \(64 MiB, runner\.limits\.memory\): /,
    ],
    [
      'may go on',
      '; exit 0',
      'success',
      /^The task needed more memory than it may have \(64 MiB, runner\.limits\.memory\)/,
    ],
  ] as const)('%s, and its last line says so', async (_, then, status, line) => {
    const eat = "python3 -c 'held = []\nwhile True: held.append(bytearray(1024 * 1024))'";
    const context = jobContext(
      tempDir(),
      async (_job, _keys, host) => {
        const result = await host.run({
          key: 'run',
          phase: 'run',
          command: 'bash',
          args: ['-c', then === '' ? `exec ${eat}` : `${eat}${then}`],
          cwd: '/',
          env: { PATH: process.env['PATH'] ?? '' },
          stop: { signal: 'SIGTERM', graceMs: 500 },
        });
        try {
          requireSuccess('run', 'python3', result);
          return { kind: 'success' };
        } catch (error: unknown) {
          return { kind: 'failed', reason: `Task failed in run: ${(error as Error).message}.` };
        }
      },
      { cgroups },
    );
    const job = new Job(1, context);
    await job.run(jobData(1), noKeys);
    const body = new ProgressBody();
    const report = job.report(body, { bytes: 100_000, lineBytes: 65_536 }, true);
    expect(report?.status).toBe(status);
    const { Jobs } = JSON.parse(body.finish().toString()) as { Jobs: { LogRecords: { message: string }[] }[] };
    expect(Jobs[0]?.LogRecords.at(-1)?.message).toMatch(line);
    await new Survivors(job.tag ?? '').expectNone();
    await job.discard();
  });
});
