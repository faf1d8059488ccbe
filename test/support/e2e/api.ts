import { setTimeout as delay } from 'node:timers/promises';

/** A task as the REST API shows it. */
export interface ApiTask {
  id: number;
  template_id: number;
  status: string;
  commit_hash: string | null;
  start: string | null;
  end: string | null;
  runner_id: number | null;
}

const FINISHED = new Set(['success', 'error', 'stopped']);
const POLL_MS = 50;

/** The REST API of the embedded server, as a client uses it. */
export class Api {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  async text(method: string, path: string, body?: unknown): Promise<string> {
    const response = await fetch(`${this.#url}/api${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(10_000),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return text;
  }

  async answers(): Promise<boolean> {
    try {
      return (await fetch(`${this.#url}/api/ping`, { signal: AbortSignal.timeout(1_000) })).ok;
    } catch {
      return false; // Not listening (yet).
    }
  }

  async startTask(template: number, fields: Readonly<Record<string, unknown>> = {}): Promise<number> {
    const task = JSON.parse(
      await this.text('POST', '/project/1/tasks', { template_id: template, ...fields }),
    ) as ApiTask;
    return task.id;
  }

  async task(id: number): Promise<ApiTask> {
    return JSON.parse(await this.text('GET', `/project/1/tasks/${id}`)) as ApiTask;
  }

  async stopTask(id: number, force = false): Promise<void> {
    await this.text('POST', `/project/1/tasks/${id}/stop`, { force });
  }

  /** The lines of a task's log, without colour codes. */
  async log(id: number): Promise<string[]> {
    const text = await this.text('GET', `/project/1/tasks/${id}/raw_output`);
    return text.split('\n').filter((line, index, all) => line !== '' || index < all.length - 1);
  }

  async waitUntil(
    id: number,
    wanted: (task: ApiTask) => boolean | Promise<boolean>,
    timeoutMs = 60_000,
  ): Promise<ApiTask> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const task = await this.task(id);
      if (await wanted(task)) return task;
      if (Date.now() > deadline)
        throw new Error(
          `task ${id} is ${task.status} after ${timeoutMs} ms; its log:\n${(await this.log(id)).join('\n')}`,
        );
      await delay(POLL_MS);
    }
  }

  async waitUntilFinished(id: number, timeoutMs?: number): Promise<ApiTask> {
    return this.waitUntil(id, ({ status }) => FINISHED.has(status), timeoutMs);
  }

  /** Waits until a line of the task's log contains `text`. */
  async waitForLine(id: number, text: string, timeoutMs?: number): Promise<void> {
    await this.waitUntil(id, async () => (await this.log(id)).some((line) => line.includes(text)), timeoutMs);
  }
}
