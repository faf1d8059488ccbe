import type { KeyObject } from 'node:crypto';
import { type HttpRequest, type HttpResponse, type HttpTransport, shownUrl } from '../../http/index.ts';
import { messageOf, RemoteError, UserError } from '../../lib/index.ts';
import { progressAnswerSchema, registrationAnswerSchema } from './answers.ts';
import { serverUrl } from './endpoint.ts';
import { openEnvelope, publicKeyForServer } from './envelope.ts';
import { type Asked, isHtml, isUnknownRunner, kindOfBody, notSemaphore, refusal } from './refusal.ts';
import { encodeRegistration, type Registration } from './registration.ts';
import { decodeRunnerState, type RunnerState } from './runner-state.ts';
import { wireObject } from './wire.ts';

export interface UiRunnerClientOptions {
  transport: HttpTransport;
  /** Base URL of the server. */
  webHost: string;
  /** When this runner started; tells the server which tasks of it may still be alive. */
  startedAt: Date;
  /** Asked before every request, so that a token file may change while we run. */
  token: () => string | undefined;
  /** For each whole exchange, milliseconds. */
  timeoutMs: number;
  /** For servers 2.12 to 2.18: opens encrypted answers, and its public half is registered (spec 3.7). */
  privateKey?: KeyObject | undefined;
}

/** Jobs with inventories and keys; a server would need thousands of tasks for more. */
const MAX_STATE_BYTES = 64 * 1024 * 1024;
const MAX_ANSWER_BYTES = 1024 * 1024;

interface Call {
  method: HttpRequest['method'];
  what: string;
  token: Asked['token'];
  headers: Readonly<Record<string, string>>;
  body?: string | Buffer;
  maxResponseBytes?: number;
  /** Removed from whatever is quoted. */
  secret: string;
  signal?: AbortSignal | undefined;
}

/**
 * The runner's side of the protocol (spec 3): one path, four verbs. No policy: it neither retries nor waits nor logs. Every failure is a
 * RemoteError; an aborted signal's reason is thrown as it is. Throws UserError when `webHost` is no URL.
 */
export class UiRunnerClient {
  readonly #options: UiRunnerClientOptions;
  readonly #url: string;

  constructor(options: UiRunnerClientOptions) {
    this.#options = options;
    this.#url = serverUrl(options.webHost, '/api/internal/runners');
  }

  /**
   * POST (spec 3.4): registers a runner. Exactly 200 is success. A server that knows `attemptKey` (ours; others ignore it)
   * answers the same attempt with the same token, instead of registering another runner.
   */
  async register(
    registration: Registration,
    { attemptKey, signal }: { attemptKey?: string; signal?: AbortSignal } = {},
  ): Promise<{ token: string }> {
    const { privateKey } = this.#options;
    const publicKey = privateKey ? { publicKey: publicKeyForServer(privateKey) } : {};
    const { response, asked } = await this.#send({
      method: 'POST',
      what: 'registration',
      token: 'registration',
      headers: {
        'content-type': 'application/json',
        ...(attemptKey === undefined ? {} : { 'idempotency-key': attemptKey }),
      },
      body: encodeRegistration({ ...registration, ...publicKey }),
      secret: registration.registrationToken,
      signal,
    });
    if (response.status !== 200) throw refusal(response, asked);
    const answer = registrationAnswerSchema.safeParse(parse(response.body));
    if (answer.success && answer.data.token !== undefined) return { token: answer.data.token };
    const found = answer.success ? 'no token' : kindOfBody(response);
    throw notSemaphore(response, asked, found);
  }

  /** GET (spec 3.5): the heartbeat; what the server wants of this runner. */
  async fetchState(signal?: AbortSignal): Promise<RunnerState> {
    const { response, asked } = await this.#send({
      ...this.#authenticated('request for tasks'),
      method: 'GET',
      maxResponseBytes: MAX_STATE_BYTES,
      signal,
    });
    if (response.status !== 200) throw refusal(response, asked);
    const json = await this.#open(response, asked, signal);
    if (json === undefined) throw notSemaphore(response, asked, kindOfBody(response));
    try {
      return decodeRunnerState(json);
    } catch (error: unknown) {
      if (error instanceof UserError) throw notSemaphore(response, asked, `other JSON: ${error.message}`);
      throw error;
    }
  }

  /** PUT (spec 3.6): reports status and log. `terminatedJobs` are the tasks that the server has given up. */
  async report(body: string | Buffer, signal?: AbortSignal): Promise<{ terminatedJobs: number[] }> {
    const { headers, ...call } = this.#authenticated('report');
    const { response, asked } = await this.#send({
      ...call,
      headers: { ...headers, 'content-type': 'application/json' },
      method: 'PUT',
      body,
      signal,
    });
    if (response.status < 200 || response.status >= 300) throw refusal(response, asked);
    // Semaphore servers answer with nothing or an object. A login or maintenance page, or anything else, with status 200 has not
    // stored anything; the log must not be taken for delivered. Half an object may have: what is sent twice is not lost.
    if (response.body.length === 0) return { terminatedJobs: [] };
    const json = isHtml(response) ? undefined : parse(response.body);
    if (json === undefined) throw notSemaphore(response, asked, kindOfBody(response));
    if (!wireObject.safeParse(json).success) throw notSemaphore(response, asked, 'JSON that is no object');
    const answer = progressAnswerSchema.safeParse(json);
    return { terminatedJobs: answer.success ? answer.data.terminatedJobs : [] };
  }

  /** DELETE (spec 3.8): removes this runner from the server. One that is not known there is removed already. */
  async unregister(signal?: AbortSignal): Promise<{ wasKnown: boolean }> {
    const { response, asked } = await this.#send({
      ...this.#authenticated('unregistration'),
      method: 'DELETE',
      signal,
    });
    if (isUnknownRunner(response)) return { wasKnown: false };
    if (response.status < 200 || response.status >= 300) throw refusal(response, asked);
    if (isHtml(response)) throw notSemaphore(response, asked, kindOfBody(response));
    return { wasKnown: true };
  }

  async #send(call: Call): Promise<{ response: HttpResponse; asked: Asked }> {
    const { transport, timeoutMs } = this.#options;
    const { method, what, token, secret, headers, body, maxResponseBytes = MAX_ANSWER_BYTES, signal } = call;
    const asked: Asked = {
      endpoint: `${method} ${shownUrl(this.#url)}`,
      url: this.#url,
      what,
      token,
      scrub: (text) => (secret.length < 4 ? text : text.replaceAll(secret, '***')),
      tokenReplaced: () => token === 'runner' && this.#options.token() !== secret,
    };
    const response = await transport.request({
      method,
      url: this.#url,
      headers: { accept: 'application/json', ...headers },
      timeoutMs,
      maxResponseBytes,
      ...(body === undefined ? {} : { body }),
      ...(signal ? { signal } : {}),
    });
    return { response, asked };
  }

  #authenticated(what: string): Pick<Call, 'headers' | 'secret' | 'token' | 'what'> {
    const token = this.#options.token();
    if (token === undefined || token === '') {
      throw new RemoteError('this runner has no token', {
        kind: 'unauthorized',
        endpoint: shownUrl(this.#url),
        retryable: false,
        hint: 'Register it with `semaphore runner register`.',
      });
    }
    // Second precision, as the servers parse it (spec 3.1).
    const startedAt = this.#options.startedAt.toISOString().replace(/\.\d+Z$/, 'Z');
    return {
      what,
      token: 'runner',
      secret: token,
      headers: { 'x-runner-token': token, 'x-runner-started-at': startedAt },
    };
  }

  /** The JSON of an answer to GET, out of its envelope if it has one; undefined when there is none. */
  async #open(response: HttpResponse, asked: Asked, signal: AbortSignal | undefined): Promise<unknown> {
    // Servers that know nothing of our key answer plainly, so the content decides; an envelope is never JSON.
    const plain = parse(response.body);
    if (plain !== undefined || isHtml(response)) return plain;
    const { privateKey } = this.#options;
    if (!privateKey) {
      if (!/octet-stream/.test(response.headers['content-type'] ?? '')) return undefined;
      throw unreadable(response, asked, 'there is no runner.private_key_file to open it with');
    }
    try {
      return parse(await openEnvelope(response.body, privateKey, signal));
    } catch (error: unknown) {
      if (!(error instanceof UserError)) throw error;
      if (!/octet-stream/.test(response.headers['content-type'] ?? '')) return undefined;
      throw unreadable(response, asked, messageOf(error));
    }
  }
}

function unreadable(response: HttpResponse, asked: Asked, why: string): RemoteError {
  return new RemoteError(`the server’s answer is encrypted and cannot be opened: ${why}`, {
    kind: 'malformed',
    endpoint: asked.endpoint,
    status: response.status,
    retryable: false,
    hint: 'Give the key this runner was registered with in runner.private_key_file, or register it again.',
  });
}

/** The value of a JSON text; undefined when it is none. The parser's message would quote the text, which may hold keys. */
function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
