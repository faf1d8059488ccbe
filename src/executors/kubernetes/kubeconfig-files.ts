import type { KubeConfig } from '@kubernetes/client-node';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { parseKubernetesYaml } from '../../config/index.ts';
import { codeOf, messageOf, UserError } from '../../lib/index.ts';
import type { KubernetesLibrary } from './load-library.ts';

/** What the library leaves out of a kubeconfig that it has accepted. */
interface KubeconfigUsers {
  users?: { name: string; user?: { tokenFile?: unknown } | null }[] | null;
}

/** The files that `KUBECONFIG` names, else `~/.kube/config`. Throws UserError when there is none. */
export function usualKubeconfigs(env: Readonly<Record<string, string | undefined>>): string[] {
  const named = (env['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '');
  const usual = join(env['HOME'] ?? '', '.kube', 'config');
  const files = (named.length > 0 ? named : [usual]).filter((file) => existsSync(file));
  if (files.length > 0) return files;
  throw new UserError(
    named.length > 0 ? `KUBECONFIG names no file that exists: ${named.join(delimiter)}` : 'no Kubernetes was found',
    { hint: `Run inside a cluster, or give a kubeconfig file: in KUBECONFIG, or as ${usual}.` },
  );
}

/**
 * Loads files into `config`; of several the first that says something counts, as `kubectl` has it. Resolves with the token files of users by
 * their names, which the library does not know. Throws UserError when a file cannot be used.
 */
export async function loadKubeconfigs(
  { KubeConfig: Config }: KubernetesLibrary,
  config: KubeConfig,
  files: readonly string[],
): Promise<{ tokenFiles: ReadonlyMap<string, string> }> {
  const tokenFiles = new Map<string, string>();
  for (const file of files) {
    const one = new Config();
    let found: ReadonlyMap<string, string>;
    try {
      const text = readFileSync(file, 'utf8');
      one.loadFromString(text);
      one.makePathsAbsolute(dirname(file));
      found = await tokenFilesIn(text, dirname(file));
    } catch (error: unknown) {
      throw new UserError(`the kubeconfig file ${file} cannot be used: ${reasonOf(error)}`, { cause: error });
    }
    config.clusters.push(...one.clusters.filter(({ name }) => config.getCluster(name) === null));
    for (const [name, path] of found) if (config.getUser(name) === null) tokenFiles.set(name, path);
    config.users.push(...one.users.filter(({ name }) => config.getUser(name) === null));
    config.contexts.push(...one.contexts.filter(({ name }) => config.getContextObject(name) === null));
    if (!config.getCurrentContext() && one.getCurrentContext()) config.setCurrentContext(one.getCurrentContext());
  }
  return { tokenFiles };
}

/** As of certificates, a path is one beside the kubeconfig. */
async function tokenFilesIn(text: string, directory: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  if (!text.includes('tokenFile')) return found;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the library has accepted the same text
  const { users } = (await parseKubernetesYaml(text)) as KubeconfigUsers;
  for (const { name, user } of users ?? []) {
    if (typeof user?.tokenFile === 'string' && user.tokenFile !== '')
      found.set(name, resolve(directory, user.tokenFile));
  }
  return found;
}

function reasonOf(error: unknown): string {
  if (codeOf(error) === 'ENOENT') return 'there is no such file';
  // What the library runs into when the file holds something else.
  return error instanceof TypeError ? 'it is not a kubeconfig' : messageOf(error);
}
