import { tmpdir } from 'node:os';
import { captureProcess, type CaptureResult } from '../../execution/index.ts';

/** How the command line tools of a login are started. */
export interface ToolOptions {
  /** The agent's environment. Only what finds the tools, the engine and the way through the network is passed on. */
  env: Readonly<Record<string, string>>;
  /** Aborted, a tool that runs is killed. */
  signal: AbortSignal;
}

/** What a tool left. `output`: both streams, errors first, which is the order in which `docker login` writes. */
export interface ToolResult {
  stdout: string;
  output: string;
  /** Undefined when it ended well; else what happened, for people. */
  problem: string | undefined;
}

const passedOn =
  /^(PATH|HOME|USER|LANG|LC_\w+|TMPDIR|XDG_RUNTIME_DIR|DOCKER_(HOST|CONTEXT|TLS|TLS_VERIFY|CERT_PATH|API_VERSION)|SSL_CERT_(FILE|DIR)|(AWS|REQUESTS)_CA_BUNDLE|(http|https|no|all)_proxy|(HTTP|HTTPS|NO|ALL)_PROXY)$/;

/** Runs a tool with `input` as its standard input. Secrets are never in `args`. Never rejects. */
export async function runTool(
  command: 'docker' | 'aws',
  args: readonly string[],
  { env, signal }: ToolOptions,
  { variables = {}, input }: { variables?: Readonly<Record<string, string>>; input?: string } = {},
): Promise<ToolResult> {
  const base = Object.fromEntries(Object.entries(env).filter(([name]) => passedOn.test(name)));
  // Which program runs is not for a credential to say.
  const complete = { ...base, ...variables, ...(base['PATH'] !== undefined && { PATH: base['PATH'] }) };
  const spec = { command, args, cwd: tmpdir(), env: complete, stop: { signal: 'SIGTERM', graceMs: 0 } } as const;
  const captured = await captureProcess(spec, {
    tag: `registry-login-${process.pid}`,
    signal,
    ...(input !== undefined && { input }),
  });
  return {
    stdout: captured.stdout,
    output: `${captured.stderr}${captured.stdout}`,
    problem: problemOf(command, captured),
  };
}

function problemOf(command: string, { result }: CaptureResult): string | undefined {
  switch (result.kind) {
    case 'exited':
      return result.code === 0 ? undefined : `${command} ended with exit code ${result.code}`;
    case 'signalled':
      return `${command} was ended by ${result.signal}`;
    case 'stopped':
      return 'the job was stopped';
    case 'unstartable':
      return result.code === 'ENOENT'
        ? `${command} was not found on the agent's PATH: install it on the host of the agent`
        : `${command} could not be started: ${result.message}`;
    default:
      return `${command} was lost`;
  }
}
