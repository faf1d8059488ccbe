import type { Readable } from 'node:stream';
import { Backoff, systemClock } from '../../lib/index.ts';
import type { ContainerRole, TaskContainers } from './engine.ts';
import { inputCommand } from './step-scripts.ts';

export interface InputPlace {
  containers: TaskContainers;
  role: ContainerRole;
  /** Of the step. */
  directory: string;
}

/**
 * Hands on to a step what `input` gives, piece by piece and at last its end. Each piece arrives once, also when the engine has to be
 * asked twice. The function that is returned ends it: the step is over.
 */
export function sendInput(input: Readable, place: InputPlace): () => void {
  const over = new AbortController();
  let number = 0;
  let queue = Promise.resolve();
  const send = (piece: Buffer | undefined): void => {
    number += 1;
    const argv = inputCommand(place.directory, number, piece?.length);
    queue = queue.then(() => deliver(place, argv, piece, over.signal));
  };
  const onData = (piece: Buffer | string): void => send(Buffer.from(piece));
  const onEnd = (): void => send(undefined);
  input.on('data', onData);
  input.once('end', onEnd);
  return () => {
    over.abort();
    input.off('data', onData);
    input.off('end', onEnd);
  };
}

async function deliver(
  { containers, role }: InputPlace,
  argv: readonly string[],
  input: Buffer | undefined,
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff({ initialMs: 100, maxMs: 2000 }, systemClock);
  while (!signal.aborted) {
    const result = await containers.exec(role, { argv, input, signal });
    // What fails otherwise is tried again, too: the directory of the step may not be there yet.
    if (result.kind === 'gone' || (result.kind === 'exited' && result.code === 0)) return;
    await systemClock.sleep(backoff.next(), signal).catch(() => undefined);
  }
}
