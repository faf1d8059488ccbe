import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { JobDirectory, Seal, TaskProcesses } from '../../src/execution/index.ts';
import { createLocalHost } from '../../src/executors/index.ts';
import type { TaskStatus } from '../../src/protocol/ui/index.ts';
import type { Commit, Decision, Step, TaskHost } from '../../src/tasks/index.ts';
import { tempDir } from './temp-dir.ts';

/** The real local executor on a job directory of its own, with what the runner would see of it. */
export interface TestTaskHost {
  host: TaskHost;
  /** Every step that was run or captured, in order. */
  steps: Step[];
  statuses: TaskStatus[];
  commits: Commit[];
  secrets: string[];
  /** Lines of the log so far, without the last line end. */
  lines(): string[];
  /** What a user says to the questions of the task, in order; a question without an answer waits until `stop`. */
  decisions: Decision[];
  stop(): void;
}

/** `onStep` sees each step before it starts; `resumed`: as if a process before this one had begun the task, and done nothing yet. */
export async function testTaskHost(onStep: (step: Step) => void = () => {}, resumed = false): Promise<TestTaskHost> {
  const root = join(tempDir(), 'jobs');
  const directory = await JobDirectory.create(root, 1, '{}', Seal.fromToken('test'));
  const abort = new AbortController();
  const processes = new TaskProcesses(directory.tag);
  const seen: Pick<TestTaskHost, 'steps' | 'statuses' | 'commits' | 'secrets' | 'decisions'> = {
    steps: [],
    statuses: [],
    commits: [],
    secrets: [],
    decisions: [],
  };
  onTestFinished(() => {
    abort.abort();
    processes.kill();
    directory.close();
  });
  const local = createLocalHost({
    directory,
    processes,
    signal: abort.signal,
    resumed,
    addSecret: (value) => seen.secrets.push(value),
    setStatus: (status) => seen.statuses.push(status),
    setCommit: (commit) => seen.commits.push(commit),
    waitForDecision: async () => {
      seen.statuses.push('waiting_confirmation');
      const decision = seen.decisions.shift();
      if (decision) return decision;
      return new Promise<Decision>((_resolve, reject) => {
        abort.signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true });
      });
    },
  });
  const note = (step: Step): Step => {
    seen.steps.push(step);
    onStep(step);
    return step;
  };
  const noting = (host: TaskHost): TaskHost => ({
    ...host,
    run: (one) => host.run(note(one)),
    capture: (one) => host.capture(note(one)),
    once: (key, work) => host.once(key, (inner) => work(noting(inner))),
  });
  return {
    ...seen,
    host: noting(local),
    lines: () => {
      const text = readFileSync(directory.logPath, 'utf8').replace(/\n$/, '');
      return text === '' ? [] : text.split('\n');
    },
    stop: () => abort.abort(),
  };
}
