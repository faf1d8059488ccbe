import type { KubeConfig } from '@kubernetes/client-node';
import * as http from 'node:http';
import type * as https from 'node:https';
import { messageOf, UserError } from '../../lib/index.ts';
import type { TokenFile } from './token-file.ts';

/** How an API server is reached, and as whom. */
export interface KubernetesConnection {
  /** Base URL, without a slash at its end. */
  server: string;
  /** Where that is configured, for messages: `/home/ci/.kube/config (context prod)`, `the cluster that the agent runs in`. */
  source: string;
  namespace: string;
  /** The pod of this program is one of the cluster's. */
  inCluster: boolean;
  /** Who we are, when a file says it. */
  tokenFile: TokenFile | undefined;
  config: KubeConfig;
}

/** What a single request needs besides its URL. */
export interface RequestSettings {
  headers: Record<string, string>;
  agent: http.Agent;
}

/**
 * Asks the kubeconfig for what proves who we are; tokens from credential plug-ins are renewed by that. Every request gets a
 * connection of its own (the library makes an agent for each call, without keep-alive): a job makes a dozen requests, and no request
 * can meet a connection that the server has just closed. Throws UserError when a file cannot be read or a plug-in fails.
 */
export async function requestSettings({ config, tokenFile, source }: KubernetesConnection): Promise<RequestSettings> {
  const options: https.RequestOptions = { headers: {} };
  let token: string | undefined;
  try {
    await config.applyToHTTPSOptions(options);
    token = await tokenFile?.token();
  } catch (error: unknown) {
    throw new UserError(`there are no credentials for the Kubernetes API: ${messageOf(error).trim()}`, {
      hint: `They are configured in ${source}.`,
      cause: error,
    });
  }
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name] = String(value).trim();
  if (typeof options.auth === 'string') {
    headers['Authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  }
  if (token !== undefined) headers['Authorization'] = `Bearer ${token}`;
  if (!(options.agent instanceof http.Agent)) throw new UserError(`${source} has no way to the Kubernetes API`);
  return { headers, agent: options.agent };
}
