import { loadConfigAloud, print, warn } from '../../cli/index.ts';
import type { GlobalFlags } from '../../cli/index.ts';

/** `runner unregister`. Returns the exit code. */
export async function unregister(flags: GlobalFlags): Promise<number> {
  const loaded = await loadConfigAloud(flags);
  const { unregisterRunner } = await import('../../runner/index.ts');
  const { wasKnown, forgotten } = await unregisterRunner({ loaded, env: process.env });
  print(
    wasKnown ? `Deleted on ${loaded.config.webHost}.` : `${loaded.config.webHost} did not know this runner any more.`,
  );
  if (forgotten) print(`The token was removed from ${forgotten.path}.`);
  else warn('the token came from SEMAPHORE_RUNNER_TOKEN; remove that variable');
  return 0;
}
