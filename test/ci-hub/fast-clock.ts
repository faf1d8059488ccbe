import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../src/lib/index.ts';

/** Time that runs `factor` times as fast as ours, for agents and hubs that talk over real sockets. */
export class FastClock implements Clock {
  readonly factor: number;
  readonly #began = performance.now();
  readonly #start = Date.now();

  constructor(factor: number) {
    this.factor = factor;
  }

  now(): number {
    return this.#start + (performance.now() - this.#began) * this.factor;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await delay(ms / this.factor, undefined, signal ? { signal } : {});
  }

  random(): number {
    return Math.random();
  }
}
