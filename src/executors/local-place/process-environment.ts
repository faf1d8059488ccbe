import { statSync } from 'node:fs';
import type { RunnerConfig } from '../../config/index.ts';
import type { TaskIdentity } from './identity.ts';

export interface ProcessEnvironmentOptions {
  config: Pick<RunnerConfig, 'envVars' | 'forwardedEnvVars' | 'homeDirMode'>;
  /** Environment of the runner itself. */
  hostEnv: Readonly<Record<string, string | undefined>>;
  /** `P` of spec 5.4. */
  projectDirectory: string;
  /** Home of the user that tasks run as, when that is not our own: tools fail where they may not read their settings. */
  userHome?: string | undefined;
}

/**
 * What every process of a task starts from (spec 5.6): `PATH`, the forwarded variables that are not empty, `env_vars`, and
 * `HOME`. Nothing else of the runner's own environment reaches a task.
 */
export function processEnvironment(options: ProcessEnvironmentOptions): Record<string, string> {
  const { config, hostEnv, projectDirectory, userHome } = options;
  const env: Record<string, string> = {};
  for (const name of ['PATH', ...config.forwardedEnvVars]) {
    const value = hostEnv[name];
    if (value !== undefined && value !== '') env[name] = value;
  }
  Object.assign(env, config.envVars);
  const home = config.homeDirMode === 'project_home' ? projectDirectory : (userHome ?? hostEnv['HOME']);
  if (home !== undefined && home !== '') env['HOME'] = home;
  return env;
}

/** Home of another user that tasks run as; users for services have none of their own, and get the project's directory. */
export function homeOf({ home, owner }: TaskIdentity, projectDirectory: string): string | undefined {
  if (!owner) return undefined;
  const found = home === undefined ? undefined : statSync(home, { throwIfNoEntry: false });
  return found?.uid === owner.uid ? home : projectDirectory;
}
