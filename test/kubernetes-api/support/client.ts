import { CoreV1Api, Exec, KubeConfig, type V1Pod, type V1Status } from '@kubernetes/client-node';
import { PassThrough, type Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

const waitMs = 90_000;

/** How a process in a container ended. */
export interface ExecOutcome {
  status: V1Status;
  stdout: string;
  stderr: string;
}

export interface RawAnswer {
  code: number;
  headers: Headers;
  /** Undefined when the body is no JSON. */
  body: { message?: string; reason?: string; [field: string]: unknown };
}

/** A client of one account, with what tests of a cluster need again and again. */
export class Client {
  readonly config: KubeConfig;
  readonly core: CoreV1Api;
  readonly namespace: string;

  constructor(kubeconfig: string, namespace: string) {
    this.config = new KubeConfig();
    this.config.loadFromFile(kubeconfig);
    this.core = this.config.makeApiClient(CoreV1Api);
    this.namespace = namespace;
  }

  /** Waits until the pod is as `test` wants it. */
  async podIs(name: string, test: (pod: V1Pod) => boolean): Promise<V1Pod> {
    let last: V1Pod | undefined;
    for (const late = Date.now() + waitMs; Date.now() < late; await sleep(50)) {
      last = await this.core.readNamespacedPod({ name, namespace: this.namespace });
      if (test(last)) return last;
    }
    throw new Error(`pod ${name} does not become what is waited for: ${JSON.stringify(last?.status)}`);
  }

  runs(name: string): Promise<V1Pod> {
    return this.podIs(name, ({ status }) => status?.phase === 'Running');
  }

  ended(name: string): Promise<V1Pod> {
    return this.podIs(name, ({ status }) => status?.phase === 'Succeeded' || status?.phase === 'Failed');
  }

  /** Waits until `probe` gives something. */
  async eventually<T>(probe: () => Promise<T | undefined>): Promise<T> {
    for (const late = Date.now() + waitMs; Date.now() < late; await sleep(50)) {
      const found = await probe();
      if (found !== undefined) return found;
    }
    throw new Error('what is waited for does not come');
  }

  /** Reasons and messages of the events about a pod, in the order they came. */
  async events(pod: string): Promise<string[]> {
    const { items } = await this.core.listNamespacedEvent({
      namespace: this.namespace,
      fieldSelector: `involvedObject.name=${pod}`,
    });
    return items.map(({ reason, message }) => `${reason}: ${message}`);
  }

  /** Runs a process in a container over a WebSocket and waits for its end. */
  async exec(pod: string, command: string[], options: { input?: Readable; tty?: boolean; container?: string } = {}) {
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    const output = { stdout: '', stderr: '' };
    stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString('utf8')));
    stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString('utf8')));
    const { input = null, tty = false, container = 'main' } = options;
    const status = await new Promise<V1Status>((resolve, reject) => {
      const exec = new Exec(this.config);
      exec
        .exec(this.namespace, pod, container, command, stdout, tty ? null : stderr, input, tty, resolve)
        .catch(reject);
    });
    return { status, ...output } satisfies ExecOutcome;
  }

  /** An HTTP request as it is, for what a typed client would not send. */
  async raw(method: string, path: string, body?: unknown, contentType = 'application/json'): Promise<RawAnswer> {
    const { request } = await import('node:https');
    const options: { ca?: string; cert?: string; key?: string; headers?: Record<string, string> } = {};
    await this.config.applyToHTTPSOptions(options);
    const url = new URL(`${this.config.getCurrentCluster()?.server}${path}`);
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const about = { 'content-type': contentType, 'content-length': String(Buffer.byteLength(text ?? '')) };
      const headers = { ...options.headers, ...(text !== undefined && about) };
      const outgoing = request(url, { ...options, method, headers, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const content = Buffer.concat(chunks).toString('utf8');
          const parsed: unknown = content.startsWith('{') ? JSON.parse(content) : { message: content };
          const found = new Headers(
            Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)]),
          );
          resolve({ code: response.statusCode ?? 0, headers: found, body: parsed as RawAnswer['body'] });
        });
      });
      outgoing.once('error', reject);
      outgoing.end(text);
    });
  }

  /** The path of something in the namespace. */
  path(rest: string): string {
    return `/api/v1/namespaces/${this.namespace}/${rest}`;
  }
}
