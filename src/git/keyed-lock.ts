/** One holder per key at a time, in the order they came. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs `work` when its turn has come; rejects with the signal's reason when it is aborted while waiting. */
  async run<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    let open = (): void => {};
    const ours = new Promise<void>((resolve) => {
      open = resolve;
    });
    // Whoever comes next waits for us, and through us for those before, even when we give up waiting.
    const tail = before ? before.then(() => ours) : ours;
    this.#tails.set(key, tail);
    try {
      if (before) await abortable(before, signal);
      return await work();
    } finally {
      open();
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
  }
}

async function abortable(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  let abort = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
