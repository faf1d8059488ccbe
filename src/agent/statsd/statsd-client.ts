import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { type Clock, messageOf } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { gaugeText, type Metrics, noMetrics } from './metrics.ts';

const connectAttempts = 5;
const connectWaitMs = 2000;

export interface StatsdOptions {
  /** Metrics are sent only when host and port are given. */
  host: string;
  /** As given on the command line. */
  port: string;
  /** Of the names, `agent.prod` when nothing else is asked for. */
  namespace: string;
  clock: Clock;
  logger: Logger;
}

export interface StatsdClient extends Metrics {
  /** Sends what was told before, as far as the server is known by now. */
  close(): Promise<void>;
}

/**
 * Sends measurements to a StatsD server over UDP (spec CI 8.1). The server's name is looked up five times, two seconds apart, while
 * measurements wait; when there is none, or when it is lost later, that is told to the agent's log once and nobody else is the wiser.
 */
export function openStatsd(options: StatsdOptions): StatsdClient {
  const { host, port, namespace, logger } = options;
  if (host === '' || port === '') return { ...noMetrics, close: () => Promise.resolve() };
  const closing = new AbortController();
  const connected = connect(options, closing.signal);
  let isFailing = false;
  let last: Promise<void> = Promise.resolve();
  let closed: Promise<void> | undefined;

  async function send(text: string): Promise<void> {
    const socket = await connected;
    if (!socket) return;
    const error = await new Promise<Error | null>((resolve) => socket.send(text, resolve));
    if (error && !isFailing) logger.warn('Metrics cannot be sent', { statsd: `${host}:${port}`, error: error.message });
    isFailing = error !== null;
  }

  return {
    gauge: (metric, value, tags) => {
      const text = gaugeText(namespace, metric, value, tags);
      last = last.then(() => send(text));
    },
    close: () => {
      closing.abort();
      closed ??= last.then(async () => void (await connected)?.close());
      return closed;
    },
  };
}

/** Undefined when there is no such server. */
async function connect(
  { host, port, clock, logger }: StatsdOptions,
  closing: AbortSignal,
): Promise<Socket | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await open(host, port);
    } catch (error: unknown) {
      if (attempt === connectAttempts || closing.aborted) {
        logger.error('Metrics are not sent: the StatsD server cannot be reached', {
          statsd: `${host}:${port}`,
          error: messageOf(error),
        });
        return undefined;
      }
    }
    await clock.sleep(connectWaitMs, closing).catch(() => undefined);
  }
}

async function open(host: string, port: string): Promise<Socket> {
  if (!/^\d{1,5}$/.test(port)) throw new Error(`${port} is not a port`);
  // IPv4 first, as the original has it: nobody answers who could tell that the other one was meant.
  const { address, family } = await lookup(host, { verbatim: false });
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  // Nobody waits for metrics.
  socket.unref();
  // A server that is away is heard of with a later datagram; without a listener that would end the process.
  socket.on('error', () => undefined);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(Number(port), address, () => {
        socket.off('error', reject);
        resolve();
      });
    });
  } catch (error: unknown) {
    socket.close();
    throw error;
  }
  return socket;
}
