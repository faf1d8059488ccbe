import { findRegistrationToken, loadConfigAloud, print, rememberConfigFile, warn } from '../../cli/index.ts';
import type { GlobalFlags } from '../../cli/index.ts';
import { shownServer } from '../../http/index.ts';
import { UserError } from '../../lib/index.ts';
import { placeOf, withKeychainToken } from '../../secrets/index.ts';

export interface RegisterFlags extends GlobalFlags {
  'registration-token-file'?: string | undefined;
  'stdin-registration-token'?: boolean;
  name?: string | undefined;
  tags?: string[] | undefined;
  webhook?: string | undefined;
  enabled?: boolean;
  'project-id'?: number | undefined;
  force?: boolean;
}

/** `runner register`. Returns the exit code. */
export async function register(flags: RegisterFlags): Promise<number> {
  const read = await loadConfigAloud(flags, {
    flags: {
      'runner.name': flags.name,
      'runner.tags': flags.tags,
      'runner.webhook': flags.webhook,
      'runner.enabled': flags.enabled,
      // The original takes 0 for "as configured".
      'runner.project_id': flags['project-id'] === 0 ? undefined : flags['project-id'],
    },
  });
  const loaded = await withKeychainToken(read);
  const { runner, webHost } = loaded.config;
  if (runner.token !== undefined) {
    if (flags.force !== true) {
      throw new UserError('this runner is already registered: there is a token', {
        hint: 'Start it with `semaphore runner start`, or register once more with --force.',
      });
    }
    warn('the runner registered before stays on the server until it is deleted there');
  }
  const { registerRunner } = await import('../../runner/index.ts');
  const registrationToken = await findRegistrationToken(flags, loaded);
  const home = await registerRunner({ loaded, registrationToken, env: process.env });
  if (loaded.file !== undefined) await rememberConfigFile(loaded.file);
  print(`Registered at ${shownServer(webHost ?? '')}; the token is in ${placeOf(home)}.`);
  print(
    `Start it with: semaphore runner start ${loaded.file === undefined ? '--no-config' : `--config ${loaded.file}`}`,
  );
  return 0;
}
