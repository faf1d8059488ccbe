import type * as z from 'zod';
import { type HttpResponse, type HttpTransport } from '../../http/index.ts';
import { messageOf, UserError } from '../../lib/index.ts';
import { call, userAgentOf } from './call.ts';
import { type JobRequest, readJobRequest } from './job-request.ts';
import { firstIssue, object, text } from './lenient.ts';
import { type Asked, isHtml, malformed, refusal, type TokenKind } from './refusal.ts';
import {
  type AgentRegistration,
  encodeRegistration,
  type RegistrationAnswer,
  registrationAnswerSchema,
} from './registration.ts';
import { encodeSync, type SyncAnswer, syncAnswerSchema, type SyncReport } from './sync.ts';

export interface CiAgentClientOptions {
  transport: HttpTransport;
  /** `host` or `host:port`. */
  endpoint: string;
  /** Speak HTTP. @default false */
  noHttps?: boolean;
  version: string;
  registrationToken: string;
}

/** A job with its files, which may be large. */
const MAX_JOB_BYTES = 64 * 1024 * 1024;

const refreshAnswerSchema = object({ token: text });

/**
 * The agent's side of the protocol of self-hosted agents (spec CI 2). No policy: it neither retries nor waits nor logs. Every failure
 * is a RemoteError; an aborted signal's reason is thrown as it is.
 */
export class CiAgentClient {
  readonly #options: CiAgentClientOptions;
  readonly #base: string;
  #accessToken = '';

  /** Throws UserError when the endpoint is not a host. */
  constructor(options: CiAgentClientOptions) {
    const { endpoint, noHttps = false } = options;
    this.#options = options;
    this.#base = `${noHttps ? 'http' : 'https'}://${endpoint}/api/v1/self_hosted_agents`;
    if (!URL.canParse(this.#base) || new URL(this.#base).pathname !== '/api/v1/self_hosted_agents') {
      throw new UserError(`the endpoint is not a host: ${endpoint}`, {
        hint: 'It looks like acme.semaphoreci.com or ci.example.com:8080, without https:// and path.',
      });
    }
  }

  /**
   * POST /register (spec CI 2.2). Any 2xx is success. The access token of the answer, even an empty one, is that of all later requests;
   * the name, even an empty one, is the agent's.
   */
  async register(registration: AgentRegistration, signal?: AbortSignal): Promise<RegistrationAnswer> {
    const { registrationToken, version } = this.#options;
    const { response, asked } = await this.#send('POST', '/register', 'registration', {
      token: 'registration token',
      secret: registrationToken,
      body: encodeRegistration(version, registration),
      signal,
    });
    if (response.status < 200 || response.status >= 300) throw refusal(response, asked);
    const answer = decode(registrationAnswerSchema, response, asked);
    this.#accessToken = answer.token;
    return answer;
  }

  /** POST /sync (spec CI 2.3): what the agent does, and what the server wants. Exactly 200 is success. */
  async sync(report: SyncReport, signal?: AbortSignal): Promise<SyncAnswer> {
    const { response, asked } = await this.#send('POST', '/sync', 'sync', { body: encodeSync(report), signal });
    return decode(syncAnswerSchema, expectOk(response, asked), asked);
  }

  /** GET /jobs/<id> (spec CI 2.4). Exactly 200 is success. */
  async getJob(jobId: string, signal?: AbortSignal): Promise<JobRequest> {
    const path = `/jobs/${encodeURIComponent(jobId)}`;
    const { response, asked } = await this.#send('GET', path, 'request for the job', {
      maxResponseBytes: MAX_JOB_BYTES,
      signal,
    });
    const parsed = parse(expectOk(response, asked), asked);
    try {
      return readJobRequest(parsed);
    } catch (error: unknown) {
      if (error instanceof UserError) throw malformed(response, asked, `other JSON: ${messageOf(error)}`);
      throw error;
    }
  }

  /** POST /refresh (spec CI 2.5): a new token for the log of the job that runs. Exactly 200 is success. */
  async refresh(signal?: AbortSignal): Promise<string> {
    const { response, asked } = await this.#send('POST', '/refresh', 'renewal of the log token', { signal });
    return decode(refreshAnswerSchema, expectOk(response, asked), asked).token;
  }

  /** POST /disconnect (spec CI 2.6): this agent goes. Exactly 200 is success. */
  async disconnect(signal?: AbortSignal): Promise<void> {
    const { response, asked } = await this.#send('POST', '/disconnect', 'disconnect', { signal });
    expectOk(response, asked);
  }

  #send(
    method: 'GET' | 'POST',
    path: string,
    what: string,
    more: {
      token?: TokenKind;
      secret?: string;
      body?: string;
      maxResponseBytes?: number;
      signal?: AbortSignal | undefined;
    },
  ): Promise<{ response: HttpResponse; asked: Asked }> {
    const { transport, version } = this.#options;
    const { token = 'access token', secret = this.#accessToken, ...rest } = more;
    return call(transport, {
      ...rest,
      method,
      url: this.#base + path,
      what,
      token,
      secret,
      userAgent: userAgentOf(version),
      authorization: `Token ${secret}`,
    });
  }
}

function expectOk(response: HttpResponse, asked: Asked): HttpResponse {
  if (response.status !== 200) throw refusal(response, asked);
  return response;
}

function parse(response: HttpResponse, asked: Asked): unknown {
  try {
    return JSON.parse(response.body.toString('utf8'));
  } catch {
    // The parser's own text quotes the body, which may hold a token.
    const kind = isHtml(response) ? 'a web page' : `something that is not JSON (${response.body.length} bytes)`;
    throw malformed(response, asked, kind);
  }
}

function decode<Schema extends z.ZodType>(schema: Schema, response: HttpResponse, asked: Asked): z.output<Schema> {
  const read = schema.safeParse(parse(response, asked));
  if (read.success) return read.data;
  throw malformed(response, asked, `other JSON: ${firstIssue(read.error)}`);
}
