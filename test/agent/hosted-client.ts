import { writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import * as https from 'node:https';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { makeSelfSigned } from '../../src/agent/hosted/self-signed.ts';
import { serveJobs } from '../../src/agent/hosted/serve-jobs.ts';
import type { HostedTeardown, ServeJobsOptions } from '../../src/agent/hosted/types.ts';
import { createTransport } from '../../src/http/index.ts';
import { systemClock } from '../../src/lib/index.ts';
import type { JobRequest } from '../../src/protocol/ci/index.ts';
import type { Logger } from '../../src/telemetry/index.ts';
import { tempDir } from '../support/temp-dir.ts';

/** Secret and token of the original's own tests (spec CI 3.2). */
export const secret = 'TzRVcspTmxhM9fUkdi1T/0kVXNETCi8UdZ8dLM8va4E';
export const token = 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.gLEycyHdyRRzUpauBxdDFmxT5KoOApFO5MHuvWPgFtY';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface AskOptions {
  method?: string;
  body?: string;
  headers?: OutgoingHttpHeaders;
  /** @default a good one */
  authorization?: string | null;
}

/** One request over TLS, as clients of the agent make them: the certificate is not verified. */
export function ask(url: string, path: string, options: AskOptions = {}): Promise<Answer> {
  const { method = 'GET', body, headers = {}, authorization = `Bearer ${token}` } = options;
  const authorized = authorization === null ? {} : { authorization };
  return new Promise((resolve, reject) => {
    const asking = https.request(
      url + path,
      { method, headers: { ...authorized, ...headers }, rejectUnauthorized: false, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      },
    );
    asking.on('error', reject);
    asking.end(body);
  });
}

export interface LoggedLine {
  level: string;
  message: string;
  fields: Readonly<Record<string, unknown>>;
}

export function recordingLogger(): { logger: Logger; lines: LoggedLine[] } {
  const lines: LoggedLine[] = [];
  const at =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      lines.push({ level, message, fields });
    };
  const logger: Logger = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  };
  return { logger, lines };
}

/** Node.js 20 has no `Promise.withResolvers`. */
function deferred<Value>(): { promise: Promise<Value>; resolve: (value: Value) => void } {
  let resolve: (value: Value) => void = () => undefined;
  const promise = new Promise<Value>((onResolved) => {
    resolve = onResolved;
  });
  return { promise, resolve };
}

export async function until(condition: () => boolean | Promise<boolean>, what: string, ms = 30_000): Promise<void> {
  const end = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
    await delay(20);
  }
}

/** A job of the tests: its log is an array, its end is when the test says so. */
export interface FakeJob {
  request: JobRequest;
  teardown: HostedTeardown;
  stop: AbortSignal;
  lines: string[];
  /** After it `readLog` throws. */
  isRemoved: boolean;
  finish: () => void;
}

export interface Serving {
  url: string;
  port: number;
  jobs: FakeJob[];
  lines: LoggedLine[];
  access: string[];
  interrupt: (name?: string) => void;
  quit: (name?: string) => void;
  exitCode: Promise<number>;
}

/** The server of hosted mode over real TLS, with jobs of the test's own unless it brings a builder. Ended with the test. */
export async function startServing(options: Partial<ServeJobsOptions> = {}): Promise<Serving> {
  const directory = tempDir();
  const identity = makeSelfSigned({ nowMs: Date.now() });
  writeFileSync(join(directory, 'cert'), identity.cert);
  writeFileSync(join(directory, 'key'), identity.key, { mode: 0o600 });
  const transport = await createTransport({ env: {} });
  const interrupted = new AbortController();
  const quit = new AbortController();
  const { logger, lines } = recordingLogger();
  const jobs: FakeJob[] = [];
  const access: string[] = [];
  const listening = deferred<{ url: string; port: number }>();
  const exitCode = serveJobs({
    authTokenSecret: secret,
    host: '127.0.0.1',
    port: 0,
    tls: { certPath: join(directory, 'cert'), keyPath: join(directory, 'key'), selfSigned: false },
    callbackAttempts: 3,
    version: 'v9.9.9',
    agentLogFile: join(directory, 'agent_log'),
    buildJob: (request, teardown) => Promise.resolve(fakeJob(request, teardown, jobs)),
    signals: { interrupted: interrupted.signal, quit: quit.signal },
    accessLog: (line) => access.push(line),
    onListening: listening.resolve,
    transport,
    clock: systemClock,
    logger,
    ...options,
  });
  onTestFinished(async () => {
    for (const job of jobs) job.finish();
    interrupted.abort('SIGTERM');
    quit.abort('SIGTERM');
    await exitCode.catch(() => undefined);
    transport.close();
  });
  const address = await Promise.race([listening.promise, exitCode.then(() => Promise.reject(new Error('ended')))]);
  return {
    ...address,
    jobs,
    lines,
    access,
    interrupt: (name = 'SIGTERM') => interrupted.abort(name),
    quit: (name = 'SIGTERM') => quit.abort(name),
    exitCode,
  };
}

function fakeJob(request: JobRequest, teardown: HostedTeardown, jobs: FakeJob[]) {
  const over = deferred<void>();
  const job: FakeJob = {
    request,
    teardown,
    stop: new AbortController().signal,
    lines: [],
    isRemoved: false,
    finish: over.resolve,
  };
  return {
    run: async (stop: AbortSignal) => {
      job.stop = stop;
      jobs.push(job);
      stop.addEventListener('abort', () => over.resolve());
      await over.promise;
      return stop.aborted ? ('stopped' as const) : ('passed' as const);
    },
    readLog: (startFrom: number): Readable => {
      if (job.isRemoved) throw new Error("ENOENT: no such file or directory, open 'events.jsonl'");
      return Readable.from(job.lines.slice(startFrom).map((line) => Buffer.from(`${line}\n`)));
    },
  };
}

/** `POST /jobs` with the few fields that matter. */
export function postJob(url: string, fields: Readonly<Record<string, unknown>>): Promise<Answer> {
  return ask(url, '/jobs', { method: 'POST', body: JSON.stringify(fields) });
}
