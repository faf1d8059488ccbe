import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Progress {
  ID: number;
  Status: string;
  LogRecords: { time: string; message: string }[];
  Commit: { hash: string; message: string } | null;
  outputs?: string;
}

/** What has arrived of a task. */
export interface Arrived {
  statuses: string[];
  lines: string[];
  /** The documents of outputs, one for each report that had one, with the status of that report. */
  outputs: { status: string; document: string }[];
}

type Fault = (request: IncomingMessage, response: ServerResponse, body: string) => boolean;

/**
 * The server side of the runner protocol, with every answer in the hands of the test: for faults and orders of events that the
 * embedded server does not produce.
 */
export class ScriptedServer {
  url = '';
  polls = 0;
  reports = 0;
  /** Headers of the latest request of each method. */
  readonly headers = new Map<string, IncomingMessage['headers']>();
  readonly arrived = new Map<number, Arrived>();
  /** Statuses that the next answers to GET give in `CurrentJobs`, by task id, instead of the reported ones. */
  readonly current = new Map<number, string>();
  readonly hidden = new Set<number>();
  terminated: number[] = [];
  /** More keys of the next answer to GET, once. */
  extra: Record<string, unknown> = {};
  /** Answers instead of the server while it returns true. */
  fault: Fault = () => false;
  #offered: { id: number; job: unknown; repeat: number }[] = [];
  #server: Server | undefined;

  async listen(): Promise<void> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => this.#answer(request, response, Buffer.concat(chunks).toString()));
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  /** Offers a task with the next `repeat` answers to GET. */
  offer(id: number, job: unknown, repeat = 1): void {
    this.#offered.push({ id, job, repeat });
  }

  /** All lines that have arrived of a task. */
  lines(id: number): string[] {
    return this.arrived.get(id)?.lines ?? [];
  }

  /** The latest status that has arrived of a task. */
  status(id: number): string | undefined {
    return this.arrived.get(id)?.statuses.at(-1);
  }

  #answer(request: IncomingMessage, response: ServerResponse, body: string): void {
    const method = request.method ?? '';
    this.headers.set(method, request.headers);
    if (method === 'GET') this.polls += 1;
    if (method === 'PUT') this.reports += 1;
    if (this.fault(request, response, body)) return;
    if (method === 'GET') reply(response, this.state());
    else reply(response, this.take(body));
  }

  /** Handles a report as the server does, without answering. */
  take(body: string): unknown {
    const { Jobs } = JSON.parse(body) as { Jobs: Progress[] | null };
    for (const job of Jobs ?? []) {
      const arrived = this.arrived.get(job.ID) ?? { statuses: [], lines: [], outputs: [] };
      this.arrived.set(job.ID, arrived);
      arrived.lines.push(...job.LogRecords.map((record) => record.message));
      if (job.outputs !== undefined) arrived.outputs.push({ status: job.Status, document: job.outputs });
      if (arrived.statuses.at(-1) !== job.Status) arrived.statuses.push(job.Status);
    }
    return this.terminated.length > 0 ? { terminated_jobs: this.terminated } : {};
  }

  state(): unknown {
    const offered = this.#offered.filter((entry) => entry.repeat > 0);
    for (const entry of offered) entry.repeat -= 1;
    const unfinished = [...this.arrived.keys()].filter(
      (id) => !this.hidden.has(id) && !['success', 'error', 'stopped'].includes(this.status(id) ?? ''),
    );
    const ids = new Set([...unfinished, ...this.current.keys()]);
    const extra = this.extra;
    this.extra = {};
    return {
      CurrentJobs: [...ids].map((id) => ({ id, status: this.current.get(id) ?? this.status(id) })),
      new_jobs: offered.map((entry) => entry.job),
      access_keys: { '1': { id: 1, name: 'none', type: 'none', project_id: 1 } },
      ...extra,
    };
  }
}

function reply(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** A bash task as a server sends it; its script is a file of a local repository. */
export function bashJob(
  id: number,
  repository: string,
  script: string,
  more: Readonly<Record<string, unknown>> = {},
): unknown {
  return {
    Username: 'tester',
    IncomingVersion: null,
    Alias: '',
    task: {
      id,
      template_id: 1,
      project_id: 1,
      status: 'starting',
      playbook: '',
      created: '2026-10-10T08:15:59Z',
      limit: '',
    },
    template: {
      id: 1,
      project_id: 1,
      repository_id: 1,
      name: 'script',
      playbook: script,
      arguments: '[]',
      app: 'bash',
      tasks: 1,
    },
    inventory: { id: 0, name: '', project_id: 1, inventory: '', ssh_key_id: null, become_key_id: null, type: '' },
    inventory_repository: null,
    repository: { id: 1, name: 'scripts', project_id: 1, git_url: repository, git_branch: '', ssh_key_id: 1 },
    environment: { id: 1, name: '', project_id: 1, password: null, json: '{}', env: null },
    ...more,
  };
}
