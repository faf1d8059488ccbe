import { hideEnvironment } from '../../lib/index.ts';

/**
 * What jobs and hooks inherit: the agent's environment without its own secrets, which are taken out of this process, too, so that no job
 * finds them in `/proc`.
 */
export function jobEnvironment(sensitive: readonly string[]): Record<string, string> {
  for (const name of sensitive) delete process.env[name];
  hideEnvironment();
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
