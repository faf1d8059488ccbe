import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { bashJob } from '../test/support/scripted-server.ts';

interface Progress {
  Jobs: { ID: number; Status: string; LogRecords: { time: string; message: string }[] }[] | null;
}

/** What arrived of a task. */
export interface Seen {
  /** Moment at which the answer that offered the task was written, milliseconds since the epoch. */
  offeredAt: number;
  status: string;
  lines: { at: number; message: string }[];
}

/**
 * The least server that a runner works for: it answers at once and keeps what arrives in memory, so that what is measured is
 * the runner. Not a stand-in for the embedded server, which the other suites use.
 */
export class ProtocolServer {
  readonly seen = new Map<number, Seen>();
  polls = 0;
  #server: Server | undefined;
  #waiting: { id: number; job: unknown }[] = [];

  /** Starts listening on loopback; returns the base URL. */
  async listen(): Promise<string> {
    const server = createServer((request, response) => {
      const body: Buffer[] = [];
      request.on('data', (chunk: Buffer) => body.push(chunk));
      request.on('end', () => {
        const answer = request.method === 'GET' ? this.#poll() : this.#progress(Buffer.concat(body));
        response.writeHead(200, { 'content-type': 'application/json' }).end(answer);
      });
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Offers a bash task with the next answer. */
  offer(id: number, repositoryUrl: string, script: string): void {
    this.#waiting.push({ id, job: bashJob(id, repositoryUrl, script, { repository: gitRepository(repositoryUrl) }) });
  }

  close(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  #poll(): string {
    this.polls += 1;
    const jobs = this.#waiting.filter(({ id }) => !this.seen.has(id));
    this.#waiting = [];
    for (const { id } of jobs) this.seen.set(id, { offeredAt: Date.now(), status: 'starting', lines: [] });
    const current = [...this.seen]
      .filter(([id]) => !jobs.some((job) => job.id === id))
      .map(([id, { status }]) => ({ id, status }));
    const key = { id: 1, name: 'none', type: 'none', project_id: 1 };
    return JSON.stringify({ CurrentJobs: current, new_jobs: jobs.map(({ job }) => job), access_keys: { 1: key } });
  }

  #progress(body: Buffer): string {
    const at = Date.now();
    const progress = JSON.parse(body.toString()) as Progress;
    for (const job of progress.Jobs ?? []) {
      const seen = this.seen.get(job.ID);
      if (!seen) continue;
      seen.status = job.Status;
      for (const record of job.LogRecords) seen.lines.push({ at, message: record.message });
    }
    return '{}';
  }
}

function gitRepository(gitUrl: string): unknown {
  return { id: 1, name: 'bench', project_id: 1, git_url: gitUrl, git_branch: 'main', ssh_key_id: 1 };
}
