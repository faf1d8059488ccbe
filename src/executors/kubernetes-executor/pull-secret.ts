import { UserError } from '../../lib/index.ts';
import {
  registryAccount,
  resolveCredential,
  type EncodedCredential,
  type RegistryAccount,
} from '../registry-credentials/index.ts';

export interface PullSecretOptions {
  /** Of the agent, for the AWS CLI. */
  env: Readonly<Record<string, string>>;
  signal: AbortSignal;
}

/** `.dockerconfigjson` for the credentials of a job (spec CI 6.3). Throws UserError that names the credential, never a value. */
export async function dockerConfigJson(
  credentials: readonly EncodedCredential[],
  options: PullSecretOptions,
): Promise<string> {
  const accounts: RegistryAccount[] = [];
  for (const encoded of credentials) {
    const resolved = resolveCredential(encoded);
    if (resolved.kind === 'unresolved') throw new UserError(resolved.reason);
    const result = await registryAccount(resolved.credential, options);
    if (result.kind === 'failed') {
      const said = result.output.trim();
      throw new UserError(said === '' ? result.reason : `${result.reason}: ${said}`);
    }
    accounts.push(result.account);
  }
  const auths = Object.fromEntries(
    accounts.map(({ server, username, password }) => [
      server,
      { username, password, auth: Buffer.from(`${username}:${password}`).toString('base64') },
    ]),
  );
  return JSON.stringify({ auths });
}
