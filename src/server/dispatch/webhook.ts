import { createTransport, type HttpTransport } from '../../http/index.ts';
import type { TaskRecord } from '../store/records.ts';

const timeoutMs = 30_000;

/** Calls the webhooks of runners (spec 3.9). */
export class Webhooks {
  readonly #env: Readonly<Record<string, string | undefined>>;
  #transport: Promise<HttpTransport> | undefined;

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env;
  }

  /** Thrown when no answer came (RemoteError), or one with another status than 200 or 204. */
  async call(
    url: string,
    action: 'start' | 'finish',
    task: TaskRecord,
    runnerId: number,
    signal: AbortSignal,
  ): Promise<void> {
    // Few servers have runners with webhooks; the others need no HTTP client.
    this.#transport ??= createTransport({ env: this.#env });
    const transport = await this.#transport;
    const { status } = await transport.request({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        action,
        project_id: task.projectId,
        task_id: task.id,
        template_id: task.templateId,
        runner_id: runnerId,
      }),
      timeoutMs,
      signal,
      maxResponseBytes: 1024 * 1024,
    });
    if (status !== 200 && status !== 204) throw new Error(`webhook returned incorrect status ${status}`);
  }

  async close(): Promise<void> {
    (await this.#transport)?.close();
  }
}
