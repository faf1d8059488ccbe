import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Clock } from '../../../src/lib/index.ts';
import { startServer, type RunningServer } from '../../../src/server/index.ts';
import type { LogFields, Logger } from '../../../src/telemetry/index.ts';
import { tempDir } from '../../support/temp-dir.ts';

export const apiToken = 'test-api-token-0123456789';
export const registrationToken = 'test-registration-token';

/** What a test server serves when nothing else is said: one template per row of the usual needs. */
export const templates = [
  { id: 1, name: 'Bash', app: 'bash', playbook: 'hello.sh', repository: 'scripts' },
  { id: 2, name: 'Parallel', app: 'bash', playbook: 'hello.sh', repository: 'scripts', allow_parallel_tasks: true },
  { id: 3, name: 'Ansible', playbook: 'site.yml', repository: 'scripts' },
] as const;

export interface TestServerOptions {
  /** Further keys of the server file. */
  file?: Readonly<Record<string, unknown>>;
  /** Further keys of project 1. */
  project?: Readonly<Record<string, unknown>>;
  clock?: Clock;
  /** Directory of an earlier test server, to start it again. */
  directory?: string;
  env?: Readonly<Record<string, string>>;
}

/** The embedded server in this process, on a free loopback port, with a client. Ended with the test. */
export class TestServer {
  readonly directory: string;
  readonly #options: TestServerOptions;
  readonly logged: string[] = [];
  #server: RunningServer | undefined;

  private constructor(options: TestServerOptions) {
    this.#options = options;
    this.directory = options.directory ?? tempDir('semaphore-server-');
  }

  static async start(options: TestServerOptions = {}): Promise<TestServer> {
    const server = new TestServer(options);
    await server.writeFile({});
    await server.start();
    onTestFinished(() => server.close());
    return server;
  }

  get running(): RunningServer {
    if (!this.#server) throw new Error('the server is not running');
    return this.#server;
  }

  get url(): string {
    return this.running.url;
  }

  get file(): string {
    return join(this.directory, 'server.yaml');
  }

  /** Writes the server file anew; `changes` are further keys. */
  async writeFile(changes: { file?: object; project?: object }): Promise<void> {
    const content = {
      listen: '127.0.0.1:0',
      api_tokens: [{ name: 'tester', token: apiToken }],
      runners: { registration_token: registrationToken },
      ...this.#options.file,
      ...changes.file,
      projects: [
        {
          id: 1,
          name: 'Test',
          repositories: [{ id: 1, name: 'scripts', git_url: 'https://git.example.com/scripts.git' }],
          templates,
          ...this.#options.project,
          ...changes.project,
        },
      ],
    };
    await writeFile(this.file, JSON.stringify(content));
  }

  async start(): Promise<void> {
    const { clock, env } = this.#options;
    this.#server = await startServer({
      configFile: this.file,
      logger: collect(this.logged),
      env: env ?? {},
      ...(clock ? { clock } : {}),
    });
  }

  async close(): Promise<void> {
    await this.#server?.close();
    this.#server = undefined;
  }

  async restart(): Promise<void> {
    await this.close();
    await this.start();
  }

  /** A request to the API with the token; the answer's JSON, or its text when it is none. */
  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${apiToken}`, ...headers },
      redirect: 'manual',
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, text, headers: response.headers, json: parse(text) };
  }

  async createTask(fields: Readonly<Record<string, unknown>> = {}): Promise<number> {
    const answer = await this.call('POST', '/api/project/1/tasks', { template_id: 1, ...fields });
    if (answer.status !== 201) throw new Error(`${answer.status} ${answer.text}`);
    return answer.json.id;
  }

  async task(id: number): Promise<Json> {
    return (await this.call('GET', `/api/project/1/tasks/${id}`)).json;
  }

  async status(id: number): Promise<string> {
    return (await this.task(id)).status;
  }

  async log(id: number): Promise<string[]> {
    return (await this.call('GET', `/api/project/1/tasks/${id}/raw_output`)).text.split('\n').slice(0, -1);
  }
}

/** JSON of which a test says what it expects. */
// oxlint-disable-next-line typescript/no-explicit-any -- what it is, is what the test finds out
export type Json = any;

export interface Answer {
  status: number;
  text: string;
  headers: Headers;
  json: Json;
}

function parse(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function collect(lines: string[]): Logger {
  const write =
    (level: string) =>
    (message: string, fields: LogFields = {}): void => {
      lines.push(
        `${level} ${message} ${JSON.stringify(fields, (_, value: unknown) => (value instanceof Error ? value.message : value))}`,
      );
    };
  const logger: Logger = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: () => logger,
  };
  return logger;
}
