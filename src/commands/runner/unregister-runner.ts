import { loadConfigAloud, print, warn } from '../../cli/index.ts';
import type { GlobalFlags } from '../../cli/index.ts';
import { shownServer } from '../../http/index.ts';
import { placeOf, withKeychainToken } from '../../secrets/index.ts';

/** `runner unregister`. Returns the exit code. */
export async function unregister(flags: GlobalFlags): Promise<number> {
  const loaded = await withKeychainToken(await loadConfigAloud(flags));
  const { webHost = '', runner } = loaded.config;
  const server = shownServer(webHost);
  const { unregisterRunner } = await import('../../runner/index.ts');
  const { wasKnown, forgotten } = await unregisterRunner({ loaded, env: process.env });
  print(wasKnown ? `Deleted on ${server}.` : `${server} did not know this runner any more.`);
  if (forgotten) print(`The token was removed from ${placeOf(forgotten)}.`);
  else if (runner.tokenCredential !== undefined)
    warn('the token came from a systemd credential; remove it from the unit');
  else warn('the token came from SEMAPHORE_RUNNER_TOKEN; remove that variable');
  return 0;
}
