import { resolve } from 'node:path';
import { checkLayer } from './check-layer.ts';
import { findCredential, readCredential, registrationCredentialName, tokenCredentialName } from './credentials.ts';
import { readEnvironment, type Environment } from './environment.ts';
import { readFileLayer } from './file-layer.ts';
import { findConfigFile } from './find-file.ts';
import { registrationTokenVariable } from './foreign-keys.ts';
import { runnerKeyTable } from './key-table.ts';
import { mergeLayers, nest } from './merge.ts';
import { checkRelations, doubtfulValues, type Place } from './relations.ts';
import { resolveConfig } from './resolve.ts';
import { runnerFileSchema, type RunnerFile } from './runner-schema.ts';
import { readTokenFile } from './token-file.ts';
import type { RunnerConfig } from './types.ts';

export interface LoadRunnerConfigOptions {
  /** `--config`; otherwise `SEMAPHORE_CONFIG_PATH` and the search path of spec 2.1. */
  configPath?: string | undefined;
  /** Reads no file at all. @default false */
  noConfig?: boolean | undefined;
  env: Environment;
  cwd: string;
  /** Values by dotted key that win over everything, from command line flags. */
  flags?: Readonly<Record<string, unknown>>;
  /** Names a file to use when the search path has none. */
  fallbackFile?: () => Promise<string | undefined>;
}

export interface LoadedConfig {
  config: RunnerConfig;
  /** The file that was read, absolute. */
  file: string | undefined;
  /** Complete sentences for the log. */
  warnings: string[];
  /** Environment variables that hold secrets: the caller deletes them from `process.env`. */
  sensitiveEnv: string[];
  /** Where a dotted key was set: the file, a variable's name, or `command line`; undefined means default. */
  sourceOf: (key: string) => string | undefined;
  /** Everything under the names of the file, defaults included. */
  values: RunnerFile;
}

/**
 * Reads the configuration of a runner: defaults, below the file, below the environment, below flags. Throws ConfigError
 * naming file, key, value and expectation.
 */
export async function loadRunnerConfig(options: LoadRunnerConfigOptions): Promise<LoadedConfig> {
  const { root } = runnerKeyTable();
  const { env, cwd } = options;
  const file =
    options.noConfig === true ? undefined : await findConfigFile({ ...options, fallback: options.fallbackFile });
  const fileLayer = file === undefined ? undefined : await readFileLayer(file);
  const variables = readEnvironment(env);
  const flags = readFlags(options.flags ?? {});
  const layers = [fileLayer?.value ?? {}, variables.value, flags.value];
  const values = runnerFileSchema.parse(layers.reduce((below, above) => mergeLayers(below, above, root), {}));

  const sources = new Map([...(fileLayer?.sources ?? []), ...variables.sources, ...flags.sources]);
  const placeOf = (key: string): Place => {
    const source = sources.get(key);
    if (source === undefined) return {};
    if (source === file) return { source, ...fileLayer?.positionOf(key.split('.')) };
    return { source: variables.sources.get(key) === source ? `environment variable ${source}` : source };
  };
  checkRelations(values, placeOf);

  const { token, token_file: tokenFile, token_store: store } = values.runner;
  const elsewhere = token || tokenFile || store === 'keychain';
  const tokenCredential = elsewhere ? undefined : await findCredential(env, tokenCredentialName);
  const storedIn = tokenFile ? resolve(cwd, tokenFile) : tokenCredential;
  const stored = storedIn === undefined ? undefined : await readTokenFile(storedIn);
  return {
    config: resolveConfig(values, {
      cwd,
      registrationToken: env[registrationTokenVariable] || (await readCredential(env, registrationCredentialName)),
      fileToken: stored?.token,
      tokenCredential,
    }),
    file,
    warnings: [
      ...(fileLayer?.warnings ?? []),
      ...variables.warnings,
      ...(stored?.warnings ?? []),
      ...doubtfulValues(values, placeOf),
    ],
    sensitiveEnv: [...variables.sensitive],
    sourceOf: (key) => sources.get(key),
    values,
  };
}

function readFlags(flags: Readonly<Record<string, unknown>>) {
  const { root } = runnerKeyTable();
  const given = Object.entries(flags).filter(([, value]) => value !== undefined);
  const value = given.reduce<Record<string, unknown>>(
    (layer, [key, flag]) => mergeLayers(layer, nest(key.split('.'), flag), root),
    {},
  );
  checkLayer(value, { source: 'command line', positionOf: () => undefined });
  return { value, sources: new Map(given.map(([key]) => [key, 'command line'] as const)) };
}
