import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { checkout, type CheckoutRequest, type CheckoutResult, type GitHost } from '../../src/git/index.ts';
import type { Clock } from '../../src/lib/index.ts';
import type { TaskHost } from '../../src/tasks/index.ts';
import { tempDir } from '../support/temp-dir.ts';
import { testTaskHost, type TestTaskHost } from '../support/task-host.ts';

export interface Checkouts {
  /** The project directory. */
  project: string;
  tree: string;
  mirror: string;
  /** Runs one checkout as a task of its own. */
  run(changes?: Partial<CheckoutRequest> & { clock?: Clock; host?: TestTaskHost }): Promise<Checkout>;
}

export interface Checkout {
  result: CheckoutResult;
  lines: string[];
  task: TestTaskHost;
}

/** A project directory in which a branch of `url` is checked out as tasks do it. */
export function checkouts(url: string): Checkouts {
  const project = join(tempDir(), 'project_1');
  const privateDirectory = join(project, 'task_1');
  mkdirSync(privateDirectory, { recursive: true, mode: 0o700 });
  const tree = join(project, 'tree');
  const mirror = join(project, 'mirror_1_0');
  return {
    project,
    tree,
    mirror,
    run: async ({ clock, host, ...changes } = {}) => {
      const task = host ?? (await testTaskHost());
      const request: CheckoutRequest = {
        url,
        revision: { kind: 'branch', name: 'main' },
        credentials: { kind: 'none' },
        mirror,
        directory: tree,
        privateDirectory,
        keyPrefix: 'clone',
        env: {
          PATH: process.env['PATH'] ?? '',
          HOME: project,
          GIT_CONFIG_GLOBAL: '/dev/null',
          GIT_CONFIG_SYSTEM: '/dev/null',
        },
        ssh: { configPath: undefined, knownHostsFile: undefined, strictHostKeyChecking: 'no' },
        attempts: 1,
        stop: { signal: 'SIGTERM', graceMs: 1000 },
        ...changes,
      };
      const result = await checkout(request, gitHost(task.host), clock ? { clock } : {});
      return { result, lines: task.lines(), task };
    },
  };
}

function gitHost(host: TaskHost): GitHost {
  return {
    signal: host.signal,
    run: (step) => host.run({ ...step, phase: 'clone' }),
    capture: (step) => host.capture({ ...step, phase: 'clone' }),
    tail: (key) => host.tail(key),
    log: (line) => host.log(line),
    once: (key, work) => host.once(key, (inner) => work(gitHost(inner))),
    resumed: host.resumed,
  };
}
