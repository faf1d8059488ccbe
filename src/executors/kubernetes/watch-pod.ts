import type { IncomingMessage } from 'node:http';
import { type Clock, messageOf, RemoteError } from '../../lib/index.ts';
import { answerFailure } from './answer-failure.ts';
import { connectionFailure } from './connection-failure.ts';
import type { KubernetesConnection } from './connection.ts';
import { openAnswer } from './request.ts';
import type { Pod } from './types.ts';

export interface WatchPodOptions {
  connection: KubernetesConnection;
  clock: Pick<Clock, 'sleep'>;
  name: string;
  /** Ends the watch: the generator returns. */
  signal: AbortSignal;
  getPod: (name: string, signal: AbortSignal) => Promise<Pod | undefined>;
  /** Told when the pod cannot be looked at for a while; it goes on looking. */
  onTrouble?: ((error: RemoteError) => void) | undefined;
  /** Between two looks where watching is not allowed, milliseconds. @default 1000 */
  pollMs?: (() => number) | undefined;
}

/** Before a watch is opened again, milliseconds. */
const pauseMs = 1000;
/** The server ends a watch after so long; then it is opened again. Seconds. */
const watchSeconds = 240;

/**
 * The pod as it is now, and again whenever it changes; undefined, at last, when it is gone. Uses `watch` where that is allowed, and looks once
 * a second where only `get` is. Throws RemoteError when the pod may not be looked at at all.
 */
export async function* watchPod(options: WatchPodOptions): AsyncGenerator<Pod | undefined> {
  const { clock, name, signal, getPod, onTrouble, pollMs = () => pauseMs } = options;
  let mayWatch = true;
  while (!signal.aborted) {
    try {
      const pod = await getPod(name, signal);
      yield pod;
      if (!pod) return;
      if (mayWatch) {
        for await (const changed of changes(options, pod)) {
          yield changed;
          if (!changed) return;
        }
      }
    } catch (error: unknown) {
      if (isAborted(signal)) return;
      if (!(error instanceof RemoteError)) throw error;
      const isWatch = error.endpoint.startsWith('watch ');
      if (isWatch && (error.status === 403 || error.status === 405)) mayWatch = false;
      else if (error.retryable || isWatch) onTrouble?.(error);
      else throw error;
    }
    try {
      await clock.sleep(mayWatch ? pauseMs : pollMs(), signal);
    } catch {
      return;
    }
  }
}

/** Until the server ends the watch, or its versions are too old (410): then the pod is read anew. */
async function* changes(
  { connection, name, signal }: WatchPodOptions,
  { metadata }: Pod,
): AsyncGenerator<Pod | undefined> {
  const { namespace } = connection;
  const request = {
    method: 'GET',
    path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`,
    query: {
      watch: 'true',
      fieldSelector: `metadata.name=${name}`,
      resourceVersion: metadata.resourceVersion ?? '',
      timeoutSeconds: String(watchSeconds),
    },
    // The server ends it before, unless the connection is dead.
    signal: AbortSignal.any([signal, AbortSignal.timeout((watchSeconds + 30) * 1000)]),
  } as const;
  try {
    const answer = await openAnswer(connection, request);
    if (answer.statusCode !== 200) {
      let body = '';
      for await (const chunk of answer.setEncoding('utf8')) body += String(chunk);
      const headers = Object.fromEntries(Object.entries(answer.headers).map(([key, value]) => [key, String(value)]));
      const refused = { status: answer.statusCode ?? 0, headers, body };
      throw answerFailure(refused, connection, { verb: 'watch', resource: 'pods', namespace });
    }
    for await (const line of linesOf(answer)) {
      const event = parseEvent(line);
      if (event?.kind === 'changed') yield event.pod;
      else if (event?.kind === 'deleted') return yield undefined;
      else if (event?.kind === 'ended') return;
    }
  } catch (error: unknown) {
    if (isAborted(signal)) return;
    if (error instanceof RemoteError) throw error;
    // A watch that breaks is nothing special: load balancers end idle connections.
    if (messageOf(error) === 'aborted' || request.signal.aborted) return;
    throw connectionFailure(error, connection, request);
  }
}

async function* linesOf(answer: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of answer.setEncoding('utf8')) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

function parseEvent(line: string): { kind: 'changed'; pod: Pod } | { kind: 'deleted' | 'ended' } | undefined {
  if (line.trim() === '') return undefined;
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch {
    // The end was torn off.
    return { kind: 'ended' };
  }
  if (typeof event !== 'object' || event === null || !('type' in event) || !('object' in event)) return undefined;
  if (event.type === 'DELETED') return { kind: 'deleted' };
  if (event.type === 'ERROR') return { kind: 'ended' };
  if (event.type !== 'ADDED' && event.type !== 'MODIFIED') return undefined;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the API's own description of a pod
  return { kind: 'changed', pod: event.object as Pod };
}

function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
