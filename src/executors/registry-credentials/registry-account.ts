import { ecrAccount, inspectEcr } from './ecr.ts';
import type { RegistryCredential } from './resolve-credential.ts';
import type { ToolOptions } from './tools.ts';

/** Who we are for a registry. */
export interface RegistryAccount {
  /** As a pull secret of Kubernetes names it (spec CI 6.3): `docker.io`, `DOCKER_URL`, `GCR_HOSTNAME`, the host of ECR. */
  server: string;
  username: string;
  password: string;
}

export type RegistryAccountResult =
  | { kind: 'account'; account: RegistryAccount }
  /** `output`: what the AWS CLI said, perhaps nothing; `reason`: one line. Neither has anything secret. */
  | { kind: 'failed'; output: string; reason: string };

/** The account of a credential. For ECR the AWS CLI is asked for a password; the others ask nobody. Never rejects. */
export async function registryAccount(
  credential: RegistryCredential,
  options: ToolOptions,
): Promise<RegistryAccountResult> {
  if (credential.type !== 'AWS_ECR') return { kind: 'account', account: storedAccount(credential) };
  const inspected = await inspectEcr(credential, options);
  if (inspected.kind === 'failed') return inspected;
  return ecrAccount(credential, inspected.login, options);
}

/** The account of a credential that has its password with it. */
export function storedAccount(credential: Exclude<RegistryCredential, { type: 'AWS_ECR' }>): RegistryAccount {
  switch (credential.type) {
    case 'DockerHub':
      return { server: 'docker.io', username: credential.username, password: credential.password };
    case 'GenericDocker':
      return { server: credential.url, username: credential.username, password: credential.password };
    case 'GCR':
      return { server: credential.hostname, username: '_json_key', password: credential.keyFile };
  }
}
