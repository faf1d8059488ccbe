import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { allRules, type Accounts } from './api/accounts.ts';
import type { CertificateAuthority } from './certificates.ts';
import { kubeconfigText } from './kubeconfig.ts';
import type { AccountOptions, InCluster, KubernetesAccount } from './types.ts';

export interface IdentityParts {
  accounts: Accounts;
  certificates: CertificateAuthority;
  /** For kubeconfig files and the like. */
  directory: string;
  port: number;
}

/** Makes an account and the kubeconfig file for it. */
export function makeAccount(parts: IdentityParts, wanted: AccountOptions = {}): KubernetesAccount {
  const { accounts, certificates, directory, port } = parts;
  const namespace = wanted.namespace ?? 'default';
  const user = wanted.user ?? `system:serviceaccount:${namespace}:tester`;
  const groups = wanted.groups ?? ['system:authenticated'];
  const token = wanted.clientCertificate === true ? '' : randomUUID();
  accounts.add({ user, groups, rules: wanted.rules ?? allRules }, token);
  const text = kubeconfigText({
    server: `https://127.0.0.1:${port}`,
    ca: certificates.certificate,
    namespace,
    ...(token === '' ? { clientCertificate: certificates.forClient(user, groups) } : { token }),
  });
  const kubeconfig = join(directory, `kubeconfig-${randomBytes(4).toString('hex')}.json`);
  writeFileSync(kubeconfig, text, { mode: 0o600 });
  return { user, token, kubeconfig };
}

/** Makes what a pod would find of the API. */
export function makeInCluster(
  { certificates, directory, port }: IdentityParts,
  { token }: KubernetesAccount,
  namespace: string,
): InCluster {
  const root = mkdtempSync(join(directory, 'in-cluster-'));
  const serviceAccount = join(root, 'var/run/secrets/kubernetes.io/serviceaccount');
  mkdirSync(serviceAccount, { recursive: true });
  writeFileSync(join(serviceAccount, 'token'), token);
  writeFileSync(join(serviceAccount, 'ca.crt'), certificates.certificate);
  writeFileSync(join(serviceAccount, 'namespace'), namespace);
  const environment = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(port) };
  return { environment, directory: root, serviceAccount };
}
