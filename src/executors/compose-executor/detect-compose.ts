import { runQuietly } from './run-quietly.ts';

/** How docker compose is called on this host. */
export interface Compose {
  command: 'docker' | 'docker-compose';
  /** Before everything else. */
  args: readonly string[];
  /** As it names itself: `1.29.2`, `v2.24.0`. */
  version: string;
}

const candidates = [
  { command: 'docker', args: ['compose'], ask: ['compose', 'version'] },
  { command: 'docker-compose', args: [], ask: ['--version'] },
] as const;

/** A first call may have much to load, milliseconds. */
const patienceMs = 60_000;

/**
 * Finds docker compose (spec CI 6.2): the plug-in of the docker command, else the standalone program; of any version, in either way of saying
 * so. Undefined when there is neither.
 */
export async function detectCompose(
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Compose | undefined> {
  for (const { command, args, ask } of candidates) {
    const said = await runQuietly(command, ask, env, AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]));
    const version = said.exitCode === 0 ? composeVersion(said.stdout) : undefined;
    if (version !== undefined) return { command, args: [...args, ...withoutColours(version)], version };
  }
  return undefined;
}

/** `Docker Compose version v2.24.0`, `docker-compose version 1.29.2, build 5becea4c`, `Docker Compose version 2.24.0-1`. */
export function composeVersion(text: string): string | undefined {
  return /^docker[ -]compose version:? (v?\d[^\s,]*)/im.exec(text)?.[1];
}

/** `--ansi` has come with 1.28; before, the same was called otherwise. */
function withoutColours(version: string): string[] {
  const [, major = '', minor = ''] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(major) === 1 && Number(minor) < 28 ? ['--no-ansi'] : ['--ansi', 'never'];
}
