import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadRunnerConfig, type LoadedConfig, type LoadRunnerConfigOptions } from '../../src/config/index.ts';
import type { ConfigError } from '../../src/lib/index.ts';
import { tempDir } from '../support/temp-dir.ts';

export interface LoadTextOptions extends Partial<LoadRunnerConfigOptions> {
  /** Name of the file. @default 'config.json' */
  name?: string;
  mode?: number;
}

/** Writes a file into a new directory and loads it; messages name it `FILE`. */
export async function loadText(text: string, options: LoadTextOptions = {}): Promise<LoadedConfig> {
  const { name = 'config.json', mode = 0o600, ...rest } = options;
  const cwd = tempDir();
  const file = join(cwd, name);
  writeFileSync(file, text, { mode });
  const loaded = await loadRunnerConfig({ configPath: name, env: {}, cwd, ...rest });
  return { ...loaded, warnings: loaded.warnings.map((warning) => warning.replaceAll(file, 'FILE')) };
}

/** The error of a load that must fail, `FILE` for the path of the file, hint after a bar. */
export async function failureOf(load: Promise<unknown>): Promise<string> {
  const error = await load.then(
    () => undefined,
    (reason: ConfigError) => reason,
  );
  if (!error) throw new Error('the load should have failed');
  const hint = error.hint === undefined ? '' : ` | ${error.hint}`;
  return `${error.name}: ${error.message}${hint}`
    .replaceAll(/\/\S*\/(?=config\.(json|ya?ml|runner))/g, '')
    .replaceAll(/config\.(json|ya?ml)/g, 'FILE');
}
