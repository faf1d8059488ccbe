import type { KubeConfig } from '@kubernetes/client-node';
import { existsSync, readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { delimiter, join } from 'node:path';
import { proxyFor, shownUrl } from '../../http/index.ts';
import { type Clock, systemClock, UserError } from '../../lib/index.ts';
import type { KubernetesConnection } from './connection.ts';
import { loadKubeconfigs, usualKubeconfigs } from './kubeconfig-files.ts';
import { loadKubernetesLibrary } from './load-library.ts';
import { TokenFile } from './token-file.ts';

export interface FindConnectionOptions {
  env: Readonly<Record<string, string | undefined>>;
  /** A kubeconfig file that is used whatever else there is. */
  kubeconfig?: string | undefined;
  /** @default that of the cluster's service account or the kubeconfig's context, else `default` */
  namespace?: string | undefined;
  /** @default '/var/run/secrets/kubernetes.io/serviceaccount' */
  serviceAccountDirectory?: string;
  /** Says how old a token is. @default the system's */
  clock?: Pick<Clock, 'now'>;
}

/**
 * Finds the API server: `kubeconfig` when given, else the cluster that we run in, else `KUBECONFIG`, else `~/.kube/config` (spec CI 6.3).
 * Throws UserError when there is none, or the file cannot be used.
 */
export async function findConnection(options: FindConnectionOptions): Promise<KubernetesConnection> {
  const { env, kubeconfig = '', clock = systemClock } = options;
  const library = await loadKubernetesLibrary();
  const inside = kubeconfig === '' ? readServiceAccount(options) : undefined;
  const config = new library.KubeConfig();
  let source: string;
  let tokenFile: string | undefined;
  if (inside) {
    config.loadFromOptions(inside.config);
    tokenFile = inside.tokenFile;
    source = 'the service account of the pod that this runs in';
  } else {
    const files = kubeconfig === '' ? usualKubeconfigs(env) : [kubeconfig];
    const { tokenFiles } = await loadKubeconfigs(library, config, files);
    tokenFile = tokenFiles.get(config.getCurrentUser()?.name ?? '');
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
    tokenFile:
      tokenFile === undefined
        ? undefined
        : new TokenFile(tokenFile, { clock, fallback: config.getCurrentUser()?.token || undefined }),
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
}: FindConnectionOptions): { config: object; tokenFile: string } | undefined {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '' } = env;
  const tokenFile = join(directory, 'token');
  if (host === '' || port === '' || !existsSync(tokenFile)) return undefined;
  const namespaceFile = join(directory, 'namespace');
  const config = {
    clusters: [
      {
        name: 'cluster',
        server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
        caFile: join(directory, 'ca.crt'),
        skipTLSVerify: false,
      },
    ],
    users: [{ name: 'pod' }],
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
  return { config, tokenFile };
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
