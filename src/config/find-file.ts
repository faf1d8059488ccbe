import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { codeOf, ConfigError, messageOf } from '../lib/index.ts';

/** Where the original looks, after the current directory (spec 2.1). */
const systemDirectories = ['/usr/local/etc/semaphore', '/etc/semaphore'];

const names = ['config.json', 'config.yaml', 'config.yml'];

export interface FindFileOptions {
  /** `--config`. */
  configPath?: string | undefined;
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  /** Tried when the search path has nothing. */
  fallback?: (() => Promise<string | undefined>) | undefined;
}

/** The configuration file to read, absolute. Throws ConfigError when there is none. */
export async function findConfigFile({ configPath, env, cwd, fallback }: FindFileOptions): Promise<string> {
  const named = configPath ?? (env['SEMAPHORE_CONFIG_PATH'] || undefined);
  if (named !== undefined) {
    const path = resolve(cwd, named);
    const kind = await kindOf(path);
    if (kind === 'file') return path;
    const origin = configPath === undefined ? 'SEMAPHORE_CONFIG_PATH names' : '--config names';
    throw new ConfigError(`${origin} ${path}, which ${kind === 'directory' ? 'is a directory' : 'does not exist'}`, {
      source: path,
      hint:
        kind === 'directory'
          ? `Name the file in it, for example ${join(path, 'config.json')}.`
          : 'Create it with `semaphore runner setup`.',
    });
  }
  const candidates = [cwd, ...systemDirectories].flatMap((directory) => names.map((name) => join(directory, name)));
  for (const path of candidates) {
    if ((await kindOf(path)) === 'file') return path;
  }
  const last = await fallback?.();
  if (last !== undefined && (await kindOf(resolve(cwd, last))) === 'file') return resolve(cwd, last);
  throw new ConfigError(
    `no configuration file found: looked for ${names.join(', ')} in ., ${systemDirectories.join(', ')}`,
    {
      hint: 'Name one with --config, create one with `semaphore runner setup`, or use --no-config and environment variables.',
    },
  );
}

async function kindOf(path: string): Promise<'file' | 'directory' | 'missing'> {
  try {
    // Anything that is not a directory can be read: `--config <(…)` is a pipe.
    return (await stat(path)).isDirectory() ? 'directory' : 'file';
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return 'missing';
    throw new ConfigError(`cannot look at ${path}: ${messageOf(error)}`, { source: path, cause: error });
  }
}
