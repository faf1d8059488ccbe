import type { LoadedConfig, LoadRunnerConfigOptions } from '../config/index.ts';
import { hideEnvironment } from '../lib/index.ts';
import type { Logger } from '../telemetry/index.ts';
import type { GlobalFlags } from './base-command.ts';
import { warn } from './output.ts';
import { leastOwnSecret, ownSecrets } from './own-secrets.ts';
import { lastConfigFile } from './state.ts';

type Overrides = Pick<LoadRunnerConfigOptions, 'flags'> & {
  /** For a command that loads more than once: what the first load has taken out of the environment is still in here. @default process.env */
  env?: LoadRunnerConfigOptions['env'];
};

export interface CommandConfig extends LoadedConfig {
  /** False when other processes of this user can read the environment that this one was started with. */
  environmentHidden: boolean;
}

/**
 * Loads the configuration as the global flags say, and takes secrets out of this process's environment so that nothing it
 * starts can inherit them, and nobody can read them in `/proc`. Throws ConfigError.
 */
export async function loadConfig(global: GlobalFlags, overrides: Overrides = {}): Promise<CommandConfig> {
  const { loadRunnerConfig } = await import('../config/index.ts');
  const loaded = await loadRunnerConfig({
    configPath: global.config,
    noConfig: global['no-config'],
    env: process.env,
    cwd: process.cwd(),
    fallbackFile: lastConfigFile,
    ...overrides,
  });
  const { registrationToken, token } = loaded.config.runner;
  for (const secret of [registrationToken, token]) if (secret !== undefined) ownSecrets.add(secret);
  for (const name of loaded.sensitiveEnv) delete process.env[name];
  return { ...loaded, environmentHidden: hideEnvironment() };
}

/** The same for a command that ends soon: doubts go to the terminal instead of a log. */
export async function loadConfigAloud(global: GlobalFlags, overrides: Overrides = {}): Promise<CommandConfig> {
  const loaded = await loadConfig(global, overrides);
  for (const text of loaded.warnings) warn(text);
  return loaded;
}

/** Opens the log. None of the secrets that are known, then or later, is ever written. */
export async function openLog(global: GlobalFlags): Promise<Logger> {
  const [{ createLogger }, { growingMask }] = await Promise.all([
    import('../telemetry/index.ts'),
    import('../logs/index.ts'),
  ]);
  return createLogger({
    level: global['log-level'],
    format: global['log-format'],
    debugFilter: global['debug-filter'],
    destination: 'stderr',
    mask: growingMask(ownSecrets, leastOwnSecret),
  });
}
