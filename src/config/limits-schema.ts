import * as z from 'zod';
import { choice, whole } from './meta.ts';
import { sizePattern } from './size.ts';

/** Longest time that a timer of Node.js can wait, in seconds; the bound of the time-outs. */
const longestSeconds = 2_147_483;

/** What the processes of one task may use together (`runner.limits`); kept by cgroups. */
export const limitsSchema = z.object({
  cpu: z.number().min(0.01).max(1024).optional().meta({
    description: 'Processors that one task may keep busy; 0.5 is half of one.',
    env: 'SEMAPHORE_RUNNER_LIMITS_CPU',
    own: true,
    defaultText: 'no limit',
    example: 2,
  }),
  memory: z.string().regex(sizePattern).optional().meta({
    description:
      'Memory of one task, swap included (KB, MB, GB, or KiB, MiB, …). Whoever needs more is killed by the system, and the log says so.',
    env: 'SEMAPHORE_RUNNER_LIMITS_MEMORY',
    own: true,
    defaultText: 'no limit',
    example: '2GB',
  }),
  processes: z
    .int()
    .min(0)
    .max(4_194_304)
    .transform((value) => (value === 0 ? undefined : value))
    .optional()
    .meta({
      description:
        'Processes and threads that one task may have at a time, the few of the runner around its tool included.',
      env: 'SEMAPHORE_RUNNER_LIMITS_PROCESSES',
      own: true,
      defaultText: 'no limit',
      example: 512,
    }),
});

/** Keys of `runner` that keep a task from hanging or taking too much. */
export const endingKeys = {
  task_timeout_seconds: whole(
    { min: 0, max: longestSeconds, byDefault: 0 },
    {
      description:
        'A task that has not ended so many seconds after its start, waiting for a confirmation included, is stopped and fails. 0: no limit.',
      env: 'SEMAPHORE_RUNNER_TASK_TIMEOUT_SECONDS',
      own: true,
    },
  ),
  no_output_timeout_seconds: whole(
    { min: 0, max: longestSeconds, byDefault: 0 },
    {
      description: 'A task whose tool writes nothing for so many seconds is stopped and fails. 0: no limit.',
      env: 'SEMAPHORE_RUNNER_NO_OUTPUT_TIMEOUT_SECONDS',
      own: true,
    },
  ),
  drain_timeout_seconds: whole(
    { min: 0, max: longestSeconds, byDefault: 0 },
    {
      description:
        'Seconds after SIGTERM (or Ctrl-C) after which the tasks that still run are stopped, so that they are reported before whoever sent it sends KILL. 0: they are waited for.',
      env: 'SEMAPHORE_RUNNER_DRAIN_TIMEOUT_SECONDS',
      own: true,
    },
  ),
  cgroup: choice(['auto', 'off'], 'auto', {
    description:
      '`auto`: every task has a cgroup of its own where the system allows it; `runner.limits` need that, and the runner does not start without.',
    env: 'SEMAPHORE_RUNNER_CGROUP',
    own: true,
  }),
  limits: limitsSchema.prefault({}),
};
