import { Backoff, systemClock, UserError } from '../../lib/index.ts';
import type { ContainerRole, TaskContainers } from './engine.ts';

/** How long one short script may take, milliseconds: an engine under load, a large repository. */
const patienceMs = 10 * 60_000;

export interface Question {
  containers: TaskContainers;
  role: ContainerRole;
  /** For `/bin/sh`; no secrets in it, nor in its arguments. */
  script: string;
  args?: readonly string[];
  input?: Buffer;
  /** Aborted: no answer is wanted any more. */
  signal?: AbortSignal | undefined;
}

export interface Answer {
  code: number;
  stdout: Buffer;
  stderr: string;
}

/**
 * Runs a short script of ours in a container and gives what it prints; it may be run again when the connection is lost. Throws UserError
 * when the containers are gone, and the signal's reason.
 */
export async function askContainer({ args = [], containers, input, role, script, signal }: Question): Promise<Answer> {
  const argv = ['/bin/sh', '-c', script, 'semaphore-ask', ...args];
  const backoff = new Backoff({ initialMs: 200, maxMs: 5000 }, systemClock);
  const end = Date.now() + patienceMs;
  for (;;) {
    signal?.throwIfAborted();
    const chunks: Buffer[] = [];
    const result = await containers.exec(role, { argv, input, signal, onStdout: (bytes) => chunks.push(bytes) });
    if (result.kind === 'exited') return { code: result.code, stderr: result.stderr, stdout: Buffer.concat(chunks) };
    if (result.kind === 'gone' || Date.now() > end) throw lostContainers(result.reason);
    await systemClock.sleep(backoff.next(), signal);
  }
}

/** What to throw when the containers of a task are gone. */
export function lostContainers(reason: string): UserError {
  return new UserError(`the containers of this task are gone: ${reason}`, {
    hint: 'Run the task again once that is mended.',
  });
}
