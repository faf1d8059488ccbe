import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { forbidden, unauthorized } from './status.ts';
import type { RequestInfo } from './request-info.ts';

/** What an account may do, in the words of a Role. */
export interface Rule {
  verbs: string[];
  /** `pods`, `pods/exec`, `*`, … */
  resources: string[];
  /** @default [''] the core group */
  apiGroups?: string[];
  /** @default any name; a request without a name (create, list) is then not allowed by a rule with names */
  resourceNames?: string[];
  /** @default all namespaces, and what has none, as a ClusterRole would give */
  namespaces?: string[];
}

export interface Account {
  user: string;
  groups: string[];
  rules: Rule[];
}

/** What may be done with anything. */
export const allRules: Rule[] = [{ verbs: ['*'], resources: ['*'], apiGroups: ['*'] }];

const anonymous: Account = { user: 'system:anonymous', groups: ['system:unauthenticated'], rules: [] };

/** Paths that everybody may read, as the API's own roles say: system:discovery, system:public-info-viewer. */
const openPaths = /^\/(version|healthz|livez|readyz|api|apis|openapi)(\/|$)/;

/** Who calls, and what that account may do. */
export class Accounts {
  #byToken = new Map<string, Account>();
  #byUser = new Map<string, Account>();

  /** Adds an account; of a user who is there already all tokens get the new rights. Without a token it is found by its certificate. */
  add({ user, groups, rules }: Account, token: string): void {
    const account = this.#byUser.get(user) ?? { user, groups, rules };
    Object.assign(account, { groups, rules });
    this.#byUser.set(user, account);
    if (token !== '') this.#byToken.set(token, account);
  }

  /** The token is not known any more, as if it had expired. */
  expire(token: string): void {
    this.#byToken.delete(token);
  }

  /** Throws 401 for a token or certificate that is not known; without any the caller is anonymous. */
  authenticate(request: IncomingMessage): Account {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (token !== undefined) {
      const account = this.#byToken.get(token);
      if (!account) throw unauthorized();
      return account;
    }
    const socket = request.socket as TLSSocket;
    const certificate = socket.getPeerCertificate();
    if (Object.keys(certificate).length === 0) return anonymous;
    const account = socket.authorized ? this.#byUser.get(String(certificate.subject.CN)) : undefined;
    if (!account) throw unauthorized();
    return account;
  }
}

/** Throws the 403 of role-based access control. */
export function authorize(account: Account, info: RequestInfo): void {
  if (info.kind === 'path') {
    if (account !== anonymous && openPaths.test(info.path)) return;
    if (/^\/(version|healthz|livez|readyz)(\/|$)/.test(info.path)) return;
    throw forbidden('', '', `User "${account.user}" cannot ${info.verb} path "${info.path}"`);
  }
  const attributes = {
    verb: info.verb,
    group: info.group,
    resource: info.subresource === '' ? info.plural : `${info.plural}/${info.subresource}`,
    namespace: info.namespace,
    name: info.name,
  };
  // Everybody who is known may ask what he may do.
  if (account !== anonymous && info.group === 'authorization.k8s.io') return;
  if (allows(account, attributes)) return;
  throw forbidden(
    info.plural,
    info.verb === 'create' && info.subresource === '' ? '' : info.name,
    refusal(account, attributes),
  );
}

export interface Attributes {
  verb: string;
  group: string;
  /** With its subresource: `pods/exec`. */
  resource: string;
  namespace: string;
  name: string;
}

export function allows(account: Account, { verb, group, resource, namespace, name }: Attributes): boolean {
  const subresource = resource.includes('/') ? resource.slice(resource.indexOf('/')) : undefined;
  return account.rules.some(
    (rule) =>
      listed(rule.verbs, verb) &&
      listed(rule.apiGroups ?? [''], group) &&
      (listed(rule.resources, resource) || (subresource !== undefined && rule.resources.includes(`*${subresource}`))) &&
      (rule.resourceNames === undefined || rule.resourceNames.includes(name)) &&
      (rule.namespaces === undefined || rule.namespaces.includes(namespace)),
  );
}

function listed(values: readonly string[], value: string): boolean {
  return values.includes('*') || values.includes(value);
}

function refusal({ user }: Account, { verb, group, resource, namespace }: Attributes): string {
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  return `User "${user}" cannot ${verb} resource "${resource}" in API group "${group}" ${where}`;
}
