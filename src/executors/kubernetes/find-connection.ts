import type { KubeConfig } from '@kubernetes/client-node';
import { existsSync, readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { delimiter, join } from 'node:path';
import { proxyFor, shownUrl } from '../../http/index.ts';
import { codeOf, messageOf, UserError } from '../../lib/index.ts';
import type { KubernetesConnection } from './connection.ts';
import { type KubernetesLibrary, loadKubernetesLibrary } from './load-library.ts';

export interface FindConnectionOptions {
  env: Readonly<Record<string, string | undefined>>;
  /** A kubeconfig file that is used whatever else there is. */
  kubeconfig?: string | undefined;
  /** @default that of the cluster's service account or the kubeconfig's context, else `default` */
  namespace?: string | undefined;
  /** @default '/var/run/secrets/kubernetes.io/serviceaccount' */
  serviceAccountDirectory?: string;
}

/**
 * Finds the API server: `kubeconfig` when given, else the cluster that we run in, else `KUBECONFIG`, else `~/.kube/config` (spec CI 6.3).
 * Throws UserError when there is none, or the file cannot be used.
 */
export async function findConnection(options: FindConnectionOptions): Promise<KubernetesConnection> {
  const { env, kubeconfig = '' } = options;
  const library = await loadKubernetesLibrary();
  const inside = kubeconfig === '' ? readServiceAccount(options) : undefined;
  const config = new library.KubeConfig();
  let source: string;
  if (inside) {
    config.loadFromOptions(inside);
    source = 'the service account of the pod that this runs in';
  } else {
    const files = kubeconfig === '' ? usualFiles(env) : [kubeconfig];
    loadFiles(library, config, files);
    source = `${files.join(delimiter)} (context ${config.getCurrentContext()})`;
  }
  const cluster = config.getCurrentCluster();
  if (!cluster) throw noContext(config, source);
  config.clusters = config.clusters.map((each) => (each.name === cluster.name ? reachable(each, env) : each));
  return {
    server: shownUrl(cluster.server).replace(/\/$/, ''),
    source,
    namespace: options.namespace || config.getContextObject(config.getCurrentContext())?.namespace?.trim() || 'default',
    inCluster: inside !== undefined,
    config,
  };
}

type Cluster = KubeConfig['clusters'][number];

/** The library knows no proxy variables, and refuses `http://` unless there is no certificate to check, which there never is. */
function reachable(cluster: Cluster, env: FindConnectionOptions['env']): Cluster {
  const proxy = cluster.proxyUrl === undefined ? proxyFor(new URL(cluster.server), env) : undefined;
  return {
    ...cluster,
    ...(proxy && { proxyUrl: proxy.href }),
    ...(cluster.server.startsWith('http:') && { skipTLSVerify: true }),
  };
}

function readServiceAccount({
  env,
  serviceAccountDirectory: directory = '/var/run/secrets/kubernetes.io/serviceaccount',
}: FindConnectionOptions): object | undefined {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '' } = env;
  const tokenFile = join(directory, 'token');
  if (host === '' || port === '' || !existsSync(tokenFile)) return undefined;
  const namespaceFile = join(directory, 'namespace');
  return {
    clusters: [
      {
        name: 'cluster',
        server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
        caFile: join(directory, 'ca.crt'),
        skipTLSVerify: false,
      },
    ],
    users: [{ name: 'pod', authProvider: { name: 'tokenFile', config: { tokenFile } } }],
    contexts: [
      {
        name: 'pod',
        cluster: 'cluster',
        user: 'pod',
        ...(existsSync(namespaceFile) && { namespace: readFileSync(namespaceFile, 'utf8') }),
      },
    ],
    currentContext: 'pod',
  };
}

function usualFiles(env: FindConnectionOptions['env']): string[] {
  const named = (env['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '');
  const usual = join(env['HOME'] ?? '', '.kube', 'config');
  const files = (named.length > 0 ? named : [usual]).filter((file) => existsSync(file));
  if (files.length > 0) return files;
  throw new UserError(
    named.length > 0 ? `KUBECONFIG names no file that exists: ${named.join(delimiter)}` : 'no Kubernetes was found',
    { hint: `Run inside a cluster, or give a kubeconfig file: in KUBECONFIG, or as ${usual}.` },
  );
}

/** Of several files the first that says something counts, as `kubectl` has it. */
function loadFiles({ KubeConfig: Config }: KubernetesLibrary, config: KubeConfig, files: readonly string[]): void {
  for (const file of files) {
    const one = new Config();
    try {
      one.loadFromFile(file);
    } catch (error: unknown) {
      throw new UserError(`the kubeconfig file ${file} cannot be used: ${reasonOf(error)}`, { cause: error });
    }
    config.clusters.push(...one.clusters.filter(({ name }) => config.getCluster(name) === null));
    config.users.push(...one.users.filter(({ name }) => config.getUser(name) === null));
    config.contexts.push(...one.contexts.filter(({ name }) => config.getContextObject(name) === null));
    if (!config.getCurrentContext() && one.getCurrentContext()) config.setCurrentContext(one.getCurrentContext());
  }
}

function reasonOf(error: unknown): string {
  if (codeOf(error) === 'ENOENT') return 'there is no such file';
  // What the library runs into when the file holds something else.
  return error instanceof TypeError ? 'it is not a kubeconfig' : messageOf(error);
}

function noContext(config: KubeConfig, source: string): UserError {
  const names = config.getContexts().map(({ name }) => name);
  return new UserError(`${source} names no cluster`, {
    hint:
      names.length === 0
        ? 'It has no contexts: is it a kubeconfig file?'
        : `Choose one of its contexts: kubectl config use-context ${names.join('|')}`,
  });
}
