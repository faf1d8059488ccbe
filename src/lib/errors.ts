/**
 * The four families of errors. Expected outcomes (a task that failed, a 404 while polling) are values, not errors.
 * `cli/` turns any of them into text and an exit code; nothing else prints them.
 */

export interface UserErrorOptions {
  /** What the user can do about it, one sentence. */
  hint?: string;
  cause?: unknown;
}

/** Thrown when the user's input (a flag, an answer, a file) is wrong. No stack reaches the user; exit code 2. */
export class UserError extends Error {
  override name = 'UserError';
  readonly hint: string | undefined;

  constructor(message: string, options: UserErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.hint = options.hint;
  }
}

export interface ConfigErrorOptions extends UserErrorOptions {
  /** File or environment variable the value came from. */
  source?: string;
  line?: number;
  column?: number;
  /** Dotted key, for example `runner.max_parallel_tasks`. */
  key?: string;
}

/** Thrown when a configuration file or variable cannot be used. Exit code 2. */
export class ConfigError extends UserError {
  override name = 'ConfigError';
  readonly source: string | undefined;
  readonly line: number | undefined;
  readonly column: number | undefined;
  readonly key: string | undefined;

  constructor(message: string, options: ConfigErrorOptions = {}) {
    super(message, options);
    this.source = options.source;
    this.line = options.line;
    this.column = options.column;
    this.key = options.key;
  }
}

/** Why a remote call failed, in the few classes that callers treat differently. */
export type RemoteErrorKind =
  /** No connection: refused, reset, DNS, time-out before an answer. */
  | 'network'
  /** The certificate, or the client's, was not accepted. */
  | 'tls'
  /** The proxy refused or asks for credentials. */
  | 'proxy'
  /** No answer within the time-out. */
  | 'timeout'
  /** 401 or 403: the token is not accepted. */
  | 'unauthorized'
  /** 404: the server does not know this runner (or is not a Semaphore server). */
  | 'not_found'
  /** 413: the request was too large for the server or a proxy in between. */
  | 'too_large'
  /** 429 or 503 with or without `Retry-After`. */
  | 'busy'
  /** Any other status of 400 or above. */
  | 'rejected'
  /** A redirect, HTML, half a JSON: not the answer of a Semaphore server. */
  | 'malformed';

export interface RemoteErrorOptions {
  kind: RemoteErrorKind;
  /** Method and URL without credentials or query. */
  endpoint: string;
  status?: number;
  /** True when the same request may succeed later. */
  retryable: boolean;
  /** From `Retry-After`, in milliseconds. */
  retryAfterMs?: number;
  hint?: string;
  cause?: unknown;
}

/** Thrown when a server or the way to it failed. Exit code 3, or 4 when the token was refused. */
export class RemoteError extends Error {
  override name = 'RemoteError';
  readonly kind: RemoteErrorKind;
  readonly endpoint: string;
  readonly status: number | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly hint: string | undefined;

  constructor(message: string, options: RemoteErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = options.kind;
    this.endpoint = options.endpoint;
    this.status = options.status;
    this.retryable = options.retryable;
    this.retryAfterMs = options.retryAfterMs;
    this.hint = options.hint;
  }
}

/** Thrown when the program itself is wrong. Exit code 1; the stack is shown at log level DEBUG. */
export class InternalError extends Error {
  override name = 'InternalError';
}

/** The text of anything that was thrown, without a stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a system error (`ENOENT`, …), if it has one. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
