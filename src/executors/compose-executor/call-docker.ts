import { runQuietly } from './run-quietly.ts';

export type DockerAnswer = { ok: true; stdout: string } | { ok: false; reason: string };

/** For what the engine does at once, milliseconds; it may be busy. */
const quickMs = 60_000;

/** Asks the engine something. `reason` is what the command said last, for people. Never rejects. */
export async function callDocker(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal = AbortSignal.timeout(quickMs),
): Promise<DockerAnswer> {
  const { exitCode, stdout, stderr, problem } = await runQuietly('docker', args, env, signal);
  if (exitCode === 0) return { ok: true, stdout: stdout.trim() };
  const said = stderr.split('\n').filter((line) => line.trim() !== '' && !/^See '|^Run '/.test(line));
  return { ok: false, reason: problem ?? said.at(-1)?.trim() ?? (signal.aborted ? 'no answer in time' : 'no answer') };
}

/** The engine that the agent uses, for messages. */
export function engineName(env: Readonly<Record<string, string>>): string {
  const host = env['DOCKER_HOST'] ?? '';
  if (host !== '') return host;
  const context = env['DOCKER_CONTEXT'] ?? '';
  return context === '' ? 'unix:///var/run/docker.sock' : `the context ${context}`;
}
