import { demultiplexer } from '../kubelet/engine.ts';
import type { Call } from './context.ts';
import { podContainer } from './pod-container.ts';
import { badRequest } from './status.ts';

/** The output of a container so far, or, with `follow`, until it ends. */
export async function sendLog(call: Call): Promise<void> {
  const { cluster, info, response } = call;
  const { query } = info;
  const { record, container } = podContainer(cluster, info);
  if (!record?.id || record.status.state.waiting) {
    const reason = record?.status.state.waiting?.reason ?? 'ContainerCreating';
    throw badRequest(`container "${container}" in pod "${info.name}" is waiting to start: ${reason}`);
  }
  const { engine } = cluster.kubelet;
  const follow = isTrue(query.get('follow'));
  const wanted = new URLSearchParams({
    stdout: '1',
    stderr: '1',
    follow: follow ? '1' : '0',
    timestamps: isTrue(query.get('timestamps')) ? '1' : '0',
    tail: query.get('tailLines') ?? 'all',
    since: sinceOf(query),
  });
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const { Config } = await engine.inspect(record.id);
  const stream = await engine.stream('GET', `/containers/${record.id}/logs?${wanted.toString()}`, {
    signal: gone.signal,
  });
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.flushHeaders();
  let left = Number(query.get('limitBytes') ?? Number.POSITIVE_INFINITY);
  const write = (bytes: Buffer): void => {
    if (left > 0) response.write(bytes.subarray(0, left));
    left -= bytes.length;
    if (left <= 0) response.end();
  };
  const cut = demultiplexer((_stream, bytes) => write(bytes));
  stream.on('data', (chunk: Buffer) => (Config.Tty ? write(chunk) : cut(chunk)));
  stream.once('end', () => response.end());
  stream.once('error', () => response.destroy());
}

function isTrue(value: string | null): boolean {
  return value === 'true' || value === '1';
}

/** Unix seconds with nanoseconds, `0` for all. */
function sinceOf(query: URLSearchParams): string {
  const seconds = query.get('sinceSeconds');
  if (seconds !== null) return String(Math.floor(Date.now() / 1000) - Number(seconds));
  const time = query.get('sinceTime');
  if (time === null) return '0';
  const fraction = /\.(\d+)/.exec(time)?.[1] ?? '';
  return `${Math.floor(Date.parse(time) / 1000)}.${fraction.padEnd(9, '0').slice(0, 9)}`;
}
