import { captureProcess } from '../../execution/index.ts';

export interface QuietResult {
  /** Undefined when it was killed or could not be started. */
  exitCode: number | undefined;
  stdout: string;
  stderr: string;
  /** Why it could not be started. */
  problem?: string | undefined;
}

/** Runs a short command of the host whose output is no part of the job's log. Never rejects. */
export async function runQuietly(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
  { cwd = '/', isTool = false }: { cwd?: string; isTool?: boolean } = {},
): Promise<QuietResult> {
  const { result, stdout, stderr } = await captureProcess(
    { command, args, cwd, env, stop: { signal: 'SIGTERM', graceMs: 0 } },
    { tag: `compose-${process.pid}`, signal, isTool },
  );
  return {
    exitCode: result.kind === 'exited' ? result.code : undefined,
    stdout,
    stderr,
    problem: result.kind === 'unstartable' ? result.message : undefined,
  };
}
