import { codeOf, messageOf, RemoteError, UserError } from '../lib/index.ts';
import { exitCodes } from './exit-codes.ts';

export interface Failure {
  /** What to print on standard error: what, where and why, then what to do. */
  lines: readonly string[];
  exitCode: number;
}

export interface FailureContext {
  /** The command that failed, for `--help`, for example `semaphore runner start`. */
  command: string;
  /** Adds the stack. */
  debug: boolean;
}

/** Turns anything that was thrown into the one or two lines a user sees, and the exit code. */
export function toFailure(error: unknown, context: FailureContext): Failure {
  const failure = classify(error, context);
  if (!context.debug || !(error instanceof Error) || failure.lines.length === 0) return failure;
  return { ...failure, lines: [...failure.lines, ...stacks(error)] };
}

function classify(error: unknown, { command }: FailureContext): Failure {
  if (error instanceof UserError) return failed(withoutParserFrame(error.message), error.hint, exitCodes.usage);
  if (error instanceof RemoteError) {
    return failed(error.message, error.hint, isRefusedToken(error) ? exitCodes.token : exitCodes.server);
  }
  const oclif = oclifFailure(error);
  if (oclif?.silent === true) return { lines: [], exitCode: oclif.exitCode };
  if (oclif) return failed(firstLine(withoutParserFrame(oclif.message)), `See: ${command} --help`, exitCodes.usage);
  const system = systemHints[codeOf(error) ?? ''];
  if (system !== undefined) return failed(messageOf(error), system, exitCodes.unexpected);
  return failed(
    `unexpected: ${firstLine(messageOf(error))}`,
    'This is a mistake in semaphore itself. Please report it with the output of the same command with --log-level DEBUG.',
    exitCodes.unexpected,
  );
}

/** Servers answer 401 to a malformed token, 404 to one they do not know, and 400 to a registration token (spec 3.2, 3.4). */
function isRefusedToken({ kind, retryable, status, message }: RemoteError): boolean {
  if (kind === 'unauthorized') return true;
  return (kind === 'not_found' && !retryable) || (status === 400 && /invalid registration token/i.test(message));
}

function failed(message: string, hint: string | undefined, exitCode: number): Failure {
  return { lines: [`Error: ${message}`, ...(hint === undefined ? [] : [hint])], exitCode };
}

/** Errors of the machine that no code could turn into something better. */
const systemHints: Readonly<Record<string, string>> = {
  EACCES: 'Check owner and permissions of that path.',
  EPERM: 'Check owner and permissions of that path.',
  EROFS: 'The file system is read-only.',
  ENOSPC: 'The disk is full.',
  EDQUOT: 'The disk quota is used up.',
  EMFILE: 'Too many open files; raise the limit (ulimit -n).',
  ENFILE: 'Too many open files on this machine.',
};

interface OclifFailure {
  message: string;
  exitCode: number;
  /** `this.exit(code)`: not an error. */
  silent: boolean;
}

/** The command line parser marks its errors with `oclif.exit`. */
function oclifFailure(error: unknown): OclifFailure | undefined {
  if (!(error instanceof Error) || !('oclif' in error)) return undefined;
  const { oclif } = error;
  const code = typeof oclif === 'object' && oclif !== null && 'exit' in oclif ? Number(oclif.exit) : exitCodes.usage;
  return { message: error.message, exitCode: code, silent: codeOf(error) === 'EEXIT' };
}

/** An error thrown while a flag's value is read comes out of the parser between two sentences of its own. */
function withoutParserFrame(message: string): string {
  return message.replace(/^Parsing (--\S+) \n\t([\s\S]*)\nSee more help with --help$/, '$1: $2');
}

/** The parser's messages continue with advice and lists; the first sentence tells enough. */
function firstLine(text: string): string {
  const [first = '', second = ''] = text.split('\n').filter((line) => line.trim() !== '');
  const all = first.trim().startsWith('The following error') ? second.trim() : undefined;
  const full = all ?? (first.trim().endsWith(':') ? `${first.trim()} ${second.trim()}` : first.trim());
  return full.charAt(0).toLowerCase() + full.slice(1);
}

function stacks(error: Error): string[] {
  const own = error.stack ?? String(error);
  return error.cause instanceof Error ? [own, `caused by ${stacks(error.cause).join('\n')}`] : [own];
}
