import { createServer, type AddressInfo } from 'node:net';
import { until, type Workbench } from './workbench.ts';

const apiToken = 'bench-api-token-0123456789';

/** The embedded server as a process of its own, with one template per script, and a runner registered with it. */
export class Embedded {
  readonly #url: string;

  private constructor(url: string) {
    this.#url = url;
  }

  static async start(
    bench: Workbench,
    scripts: readonly string[],
    repository: string,
  ): Promise<{ server: Embedded; url: string }> {
    const url = `http://127.0.0.1:${await freePort()}`;
    const templates = scripts.map((name, index) => ({
      id: index + 1,
      name,
      app: 'bash',
      playbook: name,
      repository: 'bench',
      allow_parallel_tasks: true,
    }));
    const config = {
      listen: url.slice('http://'.length),
      api_tokens: [{ name: 'bench', token: apiToken }],
      runners: { registration_token: 'bench-registration' },
      projects: [
        { id: 1, name: 'Bench', repositories: [{ name: 'bench', git_url: repository, git_branch: 'main' }], templates },
      ],
    };
    // JSON is YAML.
    const file = bench.write('server.yaml', JSON.stringify(config));
    bench.start(['server', '--config', file]);
    const server = new Embedded(url);
    await until('the server answers', () => server.#answers());
    return { server, url };
  }

  async #answers(): Promise<boolean> {
    try {
      return (await fetch(`${this.#url}/api/ping`)).ok;
    } catch {
      return false;
    }
  }

  async register(maxParallelTasks: number): Promise<string> {
    const body = {
      registration_token: 'bench-registration',
      name: 'bench',
      max_parallel_tasks: maxParallelTasks,
      enabled: true,
    };
    const answer = await this.#call('POST', '/internal/runners', body);
    return (answer as { token: string }).token;
  }

  async createTask(template: number): Promise<number> {
    const task = await this.#call('POST', '/project/1/tasks', { template_id: template });
    return (task as { id: number }).id;
  }

  async status(id: number): Promise<string> {
    const task = await this.#call('GET', `/project/1/tasks/${id}`);
    return (task as { status: string }).status;
  }

  async finished(ids: ReadonlySet<number>): Promise<number> {
    const tasks = (await this.#call('GET', '/project/1/tasks')) as { id: number; status: string }[];
    return tasks.filter((task) => ids.has(task.id) && task.status === 'success').length;
  }

  async rawOutput(id: number): Promise<Response> {
    return fetch(`${this.#url}/api/project/1/tasks/${id}/raw_output`, {
      headers: { authorization: `Bearer ${apiToken}` },
    });
  }

  async #call(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${this.#url}/api${path}`, {
      method,
      headers: { authorization: `Bearer ${apiToken}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
