import { selectorOf } from '../objects/selectors.ts';
import type { KubeObject } from '../objects/types.ts';
import { sendJson, type Call } from './context.ts';
import { expired, noSuchPath } from './status.ts';
import { asTable, wantsTable } from './table.ts';

export function getObject({ cluster, info, request, response }: Call): void {
  if (!info.type) throw noSuchPath();
  const found = cluster.store.get(info.type, info.namespace, info.name);
  sendJson(response, 200, wantsTable(request) ? asTable(info.type, [found], found.metadata) : found);
}

/** Where a list with `limit` goes on: the version that the first part was read at, and the last key of it. */
interface Continuation {
  version: number;
  after: string;
}

export function listObjects({ cluster, info, request, response }: Call): void {
  const { type, query } = info;
  if (!type) throw noSuchPath();
  const selected = selectorOf(type, query);
  const limit = Number(query.get('limit') ?? '0');
  const token = query.get('continue');
  const continued = token ? readToken(token) : undefined;
  // Throws 410 when the first part of the list is too old.
  if (continued) cluster.store.since(type.plural, continued.version);
  const all = cluster.store.list(type, info.namespace === '' ? undefined : info.namespace).filter(selected);
  const rest = continued ? all.filter((object) => keyOf(object) > continued.after) : all;
  const items = limit > 0 ? rest.slice(0, limit) : rest;
  const version = continued?.version ?? cluster.store.version;
  const last = items.at(-1);
  const more = last && items.length < rest.length;
  const metadata = {
    resourceVersion: String(version),
    ...(more && {
      continue: Buffer.from(JSON.stringify({ version, after: keyOf(last) })).toString('base64url'),
      remainingItemCount: rest.length - items.length,
    }),
  };
  if (wantsTable(request)) return sendJson(response, 200, asTable(type, items, metadata));
  // The items of a list do not say what they are.
  const bare = items.map(({ apiVersion: _version, kind: _kind, ...object }) => object);
  sendJson(response, 200, { kind: `${type.kind}List`, apiVersion: 'v1', metadata, items: bare });
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

function readToken(token: string): Continuation {
  try {
    return JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as Continuation;
  } catch {
    throw expired('The provided continue parameter is too old to display a consistent list result.');
  }
}
