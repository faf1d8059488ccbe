import { registrationToken, type Json, type TestServer } from './test-server.ts';

export interface RunnerOptions {
  /** Fields of the registration besides the token. */
  registration?: Readonly<Record<string, unknown>>;
  /** Start time that a runner from 2.19 on sends; none for an old one. */
  startedAt?: string;
}

/** The requests of an official runner, sent one by one as a test says (spec 3, 8.7). */
export class ScriptedRunner {
  readonly id: number;
  readonly #server: TestServer;
  readonly #token: string;
  startedAt: string | undefined;
  /** Some versions are configured with a slash at the end of the server's URL. */
  path = '/api/internal/runners';

  private constructor(server: TestServer, id: number, token: string, startedAt: string | undefined) {
    this.#server = server;
    this.id = id;
    this.#token = token;
    this.startedAt = startedAt;
  }

  static async register(server: TestServer, options: RunnerOptions = {}): Promise<ScriptedRunner> {
    const body = {
      registration_token: registrationToken,
      max_parallel_tasks: 0,
      enabled: true,
      ...options.registration,
    };
    // The official runner sends no content type at all.
    const response = await fetch(`${server.url}/api/internal/runners`, {
      method: 'POST',
      body: Buffer.from(JSON.stringify(body)),
    });
    if (response.status !== 200) throw new Error(`registration: ${response.status} ${await response.text()}`);
    const { token } = (await response.json()) as { token: string };
    const runners = (await server.call('GET', '/api/runners')).json as { id: number }[];
    return new ScriptedRunner(server, runners.at(-1)?.id ?? 0, token, options.startedAt);
  }

  /** A runner of the newest shape that has just asked for work, so that it is online. */
  static async online(server: TestServer, options: RunnerOptions = {}): Promise<ScriptedRunner> {
    const runner = await ScriptedRunner.register(server, { startedAt: '2026-06-01T11:00:00Z', ...options });
    await runner.get();
    return runner;
  }

  async request(method: string, body?: string): Promise<{ status: number; text: string }> {
    const response = await fetch(`${this.#server.url}${this.path}`, {
      method,
      headers: {
        'x-runner-token': this.#token,
        ...(this.startedAt === undefined ? {} : { 'x-runner-started-at': this.startedAt }),
      },
      redirect: 'error',
      ...(body === undefined ? {} : { body: Buffer.from(body) }),
    });
    return { status: response.status, text: await response.text() };
  }

  async get(): Promise<Json> {
    const { status, text } = await this.request('GET');
    if (status !== 200) throw new Error(`GET: ${status} ${text}`);
    return JSON.parse(text);
  }

  /** Ids of the new jobs in the next answer. */
  async newJobs(): Promise<number[]> {
    const state = await this.get();
    return (state.new_jobs ?? []).map(({ task }: Json) => task.id);
  }

  async put(jobs: readonly object[] | null): Promise<{ status: number; json: Json }> {
    const { status, text } = await this.request('PUT', JSON.stringify({ Jobs: jobs }));
    return { status, json: text === '' ? undefined : JSON.parse(text) };
  }

  /** A report on one task. */
  async report(id: number, status: string, lines: readonly string[] = []): Promise<{ status: number; json: Json }> {
    return await this.put([job(id, status, lines)]);
  }
}

let count = 0;

/** One job of a report; every record has a time of its own, as runners stamp them. */
export function job(id: number, status: string, lines: readonly string[] = [], more: object = {}): object {
  const records = lines.map((message) => {
    count += 1;
    return { time: `2026-06-01T12:00:00.${String(count).padStart(9, '0')}Z`, message };
  });
  return { ID: id, Status: status, LogRecords: records, Commit: null, ...more };
}
