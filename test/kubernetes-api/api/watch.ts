import { selectorOf } from '../objects/selectors.ts';
import type { Change } from '../objects/store.ts';
import type { KubeObject } from '../objects/types.ts';
import type { Call } from './context.ts';
import { ApiError, noSuchPath } from './status.ts';

/** Streams changes until the client goes, the time-out is over, or a test cuts it. */
export function watchObjects({ cluster, info, response }: Call): void {
  const { type, query, namespace } = info;
  if (!type) throw noSuchPath();
  const selected = selectorOf(type, query);
  const isHere = (object: KubeObject): boolean =>
    (namespace === '' || object.metadata.namespace === namespace) && selected(object);
  const { store } = cluster;
  const from = query.get('resourceVersion') ?? '';
  response.writeHead(200, { 'content-type': 'application/json' });
  response.flushHeaders();
  const send = (kind: string, object: unknown): void => {
    response.write(`${JSON.stringify({ type: kind, object })}\n`);
  };
  const bookmark = (annotations?: Record<string, string>): void => {
    const metadata = {
      resourceVersion: String(store.version),
      creationTimestamp: null,
      ...(annotations && { annotations }),
    };
    send('BOOKMARK', { kind: type.kind, apiVersion: 'v1', metadata });
  };
  const pass = (change: Change): void => {
    if (change.plural !== type.plural) return;
    const before = change.before !== undefined && isHere(change.before);
    const after = change.kind !== 'DELETED' && isHere(change.object);
    // Leaving the selection is a deletion for who looks at it, and entering it an addition.
    if (after) send(before ? 'MODIFIED' : 'ADDED', change.object);
    else if (before)
      send('DELETED', {
        ...change.object,
        ...(change.kind !== 'DELETED' && {
          ...change.before,
          metadata: { ...change.before?.metadata, resourceVersion: change.object.metadata.resourceVersion },
        }),
      });
  };
  try {
    if (from === '' || from === '0') {
      for (const object of store.list(type).filter(isHere)) send('ADDED', object);
      if (query.get('sendInitialEvents') === 'true') bookmark({ 'k8s.io/initial-events-end': 'true' });
    } else {
      for (const change of store.since(type.plural, Number(from))) pass(change);
    }
  } catch (error: unknown) {
    // Too old a version is an event of the stream, as the API's watch cache says it.
    if (!(error instanceof ApiError)) throw error;
    send('ERROR', error.status);
    response.end();
    return;
  }
  store.changes.on('change', pass);
  const bookmarks = query.get('allowWatchBookmarks') === 'true' ? setInterval(bookmark, cluster.bookmarkMs) : undefined;
  const seconds = Number(query.get('timeoutSeconds') ?? '0');
  const end = seconds > 0 ? setTimeout(() => response.end(), seconds * 1000) : undefined;
  response.once('close', () => {
    store.changes.off('change', pass);
    clearInterval(bookmarks);
    clearTimeout(end);
  });
}
