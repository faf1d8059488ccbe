import { request, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { json, text } from 'node:stream/consumers';

/** Thrown when the engine refuses; the message is its own. */
export class EngineError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export interface ContainerInfo {
  Id: string;
  Image: string;
  State: {
    Running: boolean;
    OOMKilled: boolean;
    ExitCode: number;
    Error: string;
    StartedAt: string;
    FinishedAt: string;
  };
  Config: { User: string; Tty: boolean };
  NetworkSettings: { Networks: Record<string, { IPAddress: string }> };
}

export interface ImageInfo {
  Id: string;
  RepoDigests: string[] | null;
  Config: { User: string } | null;
}

interface Options {
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** The HTTP API of the Docker engine, as far as pods need it. */
export class Engine {
  readonly #socketPath: string;

  constructor(socketPath = (process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock').replace(/^unix:\/\//, '')) {
    this.#socketPath = socketPath;
  }

  async call<T>(method: string, path: string, options: Options = {}): Promise<T> {
    const response = await this.stream(method, path, options);
    const isJson = /json/.test(response.headers['content-type'] ?? '');
    return (isJson ? await json(response) : await text(response)) as T;
  }

  /** The response, whose body has not been read. Rejects with EngineError for what the engine refuses. */
  stream(method: string, path: string, { body, headers, signal }: Options = {}): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
      const outgoing = request({
        socketPath: this.#socketPath,
        method,
        path,
        agent: false,
        ...(signal && { signal }),
        headers: {
          ...headers,
          host: 'docker',
          ...(bytes && { 'content-type': 'application/json', 'content-length': String(bytes.length) }),
        },
      });
      outgoing.once('error', reject);
      outgoing.once('response', (response) => {
        if ((response.statusCode ?? 500) < 400) resolve(response);
        else void refusalOf(response).then(reject, reject);
      });
      outgoing.end(bytes);
    });
  }

  /** A connection to the streams of a process: bytes both ways. */
  hijack(path: string, body: unknown): Promise<{ socket: Socket; head: Buffer }> {
    return new Promise((resolve, reject) => {
      const bytes = Buffer.from(JSON.stringify(body));
      const outgoing = request({
        socketPath: this.#socketPath,
        method: 'POST',
        path,
        agent: false,
        headers: {
          host: 'docker',
          connection: 'Upgrade',
          upgrade: 'tcp',
          'content-type': 'application/json',
          'content-length': String(bytes.length),
        },
      });
      outgoing.once('error', reject);
      outgoing.once('upgrade', (_response, socket, head) => resolve({ socket, head }));
      outgoing.once('response', (response) => void refusalOf(response).then(reject, reject));
      outgoing.end(bytes);
    });
  }

  inspect(id: string): Promise<ContainerInfo> {
    return this.call('GET', `/containers/${id}/json`);
  }

  async findImage(name: string): Promise<ImageInfo | undefined> {
    try {
      return await this.call<ImageInfo>('GET', `/images/${name}/json`);
    } catch (error: unknown) {
      if (error instanceof EngineError && error.code === 404) return undefined;
      throw error;
    }
  }

  async create(name: string, config: unknown): Promise<string> {
    const { Id } = await this.call<{ Id: string }>('POST', `/containers/create?name=${name}`, { body: config });
    return Id;
  }

  start(id: string): Promise<unknown> {
    return this.call('POST', `/containers/${id}/start`);
  }

  /** TERM, and KILL after `seconds`. A container that has ended, or is gone, is fine. */
  async stop(id: string, seconds: number): Promise<void> {
    await this.#tolerant(this.call('POST', `/containers/${id}/stop?t=${seconds}`));
  }

  /** Removes it and the volumes that have no name. One that is gone, or is being removed, is fine. */
  async remove(id: string): Promise<void> {
    await this.#tolerant(this.call('DELETE', `/containers/${id}?force=1&v=1`));
  }

  /** One that is gone, or still in use by a container that is being removed, is left. */
  async removeVolume(name: string): Promise<void> {
    await this.#tolerant(this.call('DELETE', `/volumes/${name}?force=1`));
  }

  /** Resolves when the container does not run any more. */
  wait(id: string, signal: AbortSignal): Promise<unknown> {
    return this.call('POST', `/containers/${id}/wait`, { signal });
  }

  async #tolerant(call: Promise<unknown>): Promise<void> {
    try {
      await call;
    } catch (error: unknown) {
      const isDone = error instanceof EngineError && (error.code === 404 || error.code === 409);
      if (!isDone) throw error;
    }
  }
}

async function refusalOf(response: IncomingMessage): Promise<EngineError> {
  const body = await text(response);
  try {
    return new EngineError(response.statusCode ?? 500, (JSON.parse(body) as { message: string }).message);
  } catch {
    return new EngineError(response.statusCode ?? 500, body);
  }
}

/** Cuts what the engine sends of a process without a terminal into what came from stdout and stderr. */
export function demultiplexer(onData: (stream: 'stdout' | 'stderr', bytes: Buffer) => void): (chunk: Buffer) => void {
  let pending: Buffer = Buffer.alloc(0);
  return (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    while (pending.length >= 8) {
      const size = pending.readUInt32BE(4);
      if (pending.length < 8 + size) return;
      onData(pending[0] === 2 ? 'stderr' : 'stdout', pending.subarray(8, 8 + size));
      pending = pending.subarray(8 + size);
    }
  };
}
