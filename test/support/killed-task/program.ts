/**
 * One life of a runner, as far as a task sees it: plays the task in the job directory from the beginning or from where the life
 * before ended, and may end by SIGKILL at a chosen point. Built and started by `killed-task.ts`.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunnerConfig } from '../../../src/config/index.ts';
import { JobDirectory, killCaptures, Seal, TaskProcesses } from '../../../src/execution/index.ts';
import { createLocalHost, createLocalPlace } from '../../../src/executors/index.ts';
import type { AccessKey, JobData } from '../../../src/protocol/ui/index.ts';
import { runTask, type Decision, type Step, type TaskHost } from '../../../src/tasks/index.ts';
import { Workspace } from '../../../src/workspace/index.ts';

/** Where a life ends. */
export type KillPoint =
  /** Before the task asks its host for something for the `before`-th time. */
  | { before: number }
  /** While the step whose key begins so runs, once `when` exists; at once when it is left out. */
  | { during: string; when?: string };

export interface LifeOptions {
  directory: string;
  job: JobData;
  keys: [number, AccessKey][];
  config: RunnerConfig;
  hostEnv: Record<string, string>;
  /** What the user decides; without it nobody ever does. */
  decision?: Decision | undefined;
  kill?: KillPoint | undefined;
  /** The task is to stop from the beginning of this life. */
  stopped?: boolean | undefined;
}

void main();

async function main(): Promise<void> {
  const [, , file = '', resultFile = ''] = process.argv;
  const options = JSON.parse(readFileSync(file, 'utf8')) as LifeOptions;
  const [root, seal] = [join(options.directory, 'jobs'), Seal.fromToken('test')];
  const earlier = JobDirectory.open(root, 1, seal);
  const resumed = earlier !== undefined;
  const directory = earlier ?? (await JobDirectory.create(root, 1, '{}', seal));
  if (resumed) killCaptures(directory.tag);
  const processes = new TaskProcesses(directory.tag, { takenOver: resumed });
  const statuses: string[] = [];
  const local = createLocalHost({
    directory,
    processes,
    resumed,
    signal: options.stopped === true ? AbortSignal.abort() : new AbortController().signal,
    addSecret: () => {},
    setCommit: () => {},
    setStatus: (status) => statuses.push(status),
    waitForDecision: () => {
      statuses.push('waiting_confirmation');
      return options.decision ? Promise.resolve(options.decision) : new Promise(() => setInterval(() => {}, 1000));
    },
  });
  const workspace = new Workspace({ root: join(options.directory, 'work') });
  const points = { count: 0 };
  const { config, hostEnv, job } = options;
  const host = withPoints(local, directory, options.kill, points);
  // As a runner does when it starts; at the same time.
  const swept = workspace.sweep({ spare: new Set([job.task.id]) });
  const outcome = await runTask({
    job,
    keys: new Map(options.keys),
    config,
    host,
    openPlace: createLocalPlace({ config, workspace, hostEnv }),
  });
  await swept;
  await workspace.close();
  const survivors = processes.listSteps().length;
  await processes.end();
  writeFileSync(resultFile, JSON.stringify({ outcome, statuses, survivors, points: points.count }));
  process.exit(0);
}

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  for (;;);
}

function withPoints(
  local: TaskHost,
  directory: JobDirectory,
  kill: KillPoint | undefined,
  points: { count: number },
): TaskHost {
  const point = (): void => {
    points.count += 1;
    if (kill && 'before' in kill && kill.before === points.count) die();
  };
  return {
    ...local,
    run: async (step: Step) => {
      point();
      if (kill && 'during' in kill && step.key.startsWith(kill.during)) void dieDuring(step.key, directory, kill.when);
      return await local.run(step);
    },
    capture: async (step) => (point(), await local.capture(step)),
    once: async (key, work) => (
      point(),
      await local.once(key, (inner) => work(withPoints(inner, directory, kill, points)))
    ),
    log: (line) => (point(), local.log(line)),
    setStatus: (status) => (point(), local.setStatus(status)),
    setCommit: (commit) => (point(), local.setCommit(commit)),
    waitForDecision: async () => (point(), await local.waitForDecision()),
  };
}

async function dieDuring(key: string, directory: JobDirectory, when: string | undefined): Promise<void> {
  for (;;) {
    const isThere = directory.events().some((event) => event.type === 'step-started' && event.key === key);
    if (isThere && (when === undefined || existsSync(when))) die();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

// A test that fails wants to know why.
process.on('uncaughtException', (error) => {
  appendFileSync(2, `${error.stack}\n`);
  process.exit(1);
});
