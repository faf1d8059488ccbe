import { access, readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { Environment } from './environment.ts';

/** Names of the systemd credentials that are looked for; see `LoadCredential=` in systemd.exec(5). */
export const tokenCredentialName = 'semaphore-runner-token';
export const registrationCredentialName = 'semaphore-registration-token';

/**
 * The file of a credential that the service manager hands over: read-only, in memory, in a directory of the service's own
 * that `CREDENTIALS_DIRECTORY` names. Undefined when there is none of this name.
 */
export async function findCredential(env: Environment, name: string): Promise<string | undefined> {
  const directory = env['CREDENTIALS_DIRECTORY'];
  if (directory === undefined || !isAbsolute(directory)) return undefined;
  const file = join(directory, name);
  return await access(file).then(
    () => file,
    () => undefined,
  );
}

/** The text of a credential; undefined when there is none, or it cannot be read. */
export async function readCredential(env: Environment, name: string): Promise<string | undefined> {
  const file = await findCredential(env, name);
  return file === undefined ? undefined : await readFile(file, 'utf8').catch(() => undefined);
}
