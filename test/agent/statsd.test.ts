import { createSocket } from 'node:dgram';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openStatsd, pullMetrics, type StatsdOptions } from '../../src/agent/statsd/index.ts';
import { type Clock, systemClock } from '../../src/lib/index.ts';
import { recordingLogger, until } from './hosted-client.ts';

/** Spec CI 8.1. */

async function server(host = '127.0.0.1'): Promise<{ port: string; received: string[] }> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const received: string[] = [];
  socket.on('message', (message) => received.push(message.toString('utf8')));
  await new Promise<void>((resolve) => socket.bind(0, host, resolve));
  onTestFinished(() => void socket.close());
  return { port: String(socket.address().port), received };
}

function open(options: Partial<StatsdOptions>) {
  const { logger, lines } = recordingLogger();
  const client = openStatsd({
    host: '127.0.0.1',
    port: '1',
    namespace: 'agent.prod',
    clock: systemClock,
    logger,
    ...options,
  });
  onTestFinished(() => client.close());
  return { client, lines };
}

describe('metrics', () => {
  it('are one datagram each, with the names and tags of the original', async () => {
    const { port, received } = await server();
    const { client } = open({ port });
    const pull = pullMetrics(client, 'registry.semaphoreci.com/semaphoreci/android:30-node');
    pull.started();
    pull.failed();
    pull.ended(65_999);
    await until(() => received.length === 3, 'three datagrams');
    expect(received).toEqual([
      'tagged.agent.prod.semaphoreci_android.no_tag.no_tag.compose.docker.pull.rate:1|g',
      'tagged.agent.prod.semaphoreci_android.no_tag.no_tag.compose.docker.error.rate:1|g',
      'tagged.agent.prod.semaphoreci_android.no_tag.no_tag.compose.docker.pull.duration:65|g',
    ]);
  });

  it('have the namespace that was asked for, and clean tags, three of them', async () => {
    const { port, received } = await server();
    const { client } = open({ port, namespace: 'my.own' });
    client.gauge('m', 1.5, ['a b/c:d', 'Ok_1-2', 'é', 'fourth']);
    client.gauge('m', 0, []);
    await until(() => received.length === 2, 'two datagrams');
    expect(received).toEqual(['tagged.my.own.a_b_c_d.Ok_1-2._.m:1.5|g', 'tagged.my.own.no_tag.no_tag.no_tag.m:0|g']);
  });

  it.each([['semaphoreci/ruby:3'], ['postgres:16'], [undefined]])('are not told of %s', async (image) => {
    const { port, received } = await server();
    const { client } = open({ port });
    const pull = pullMetrics(client, image);
    pull.started();
    pull.failed();
    pull.ended(1);
    client.gauge('last', 1, []);
    await until(() => received.length > 0, 'the last one');
    expect(received).toEqual(['tagged.agent.prod.no_tag.no_tag.no_tag.last:1|g']);
  });

  it.each([[{ host: '', port: '8125' }], [{ host: '127.0.0.1', port: '' }], [{ host: '', port: '' }]])(
    'are nobody’s business without host and port: %o',
    async (options) => {
      const { client, lines } = open(options);
      pullMetrics(client, 'semaphoreci/android').started();
      await client.close();
      expect(lines).toEqual([]);
    },
  );

  it('reach a server by IPv6 and by name', async () => {
    const { port, received } = await server('::1');
    open({ host: '::1', port }).client.gauge('m', 1, []);
    await until(() => received.length === 1, 'a datagram');
    const named = await server();
    open({ host: 'localhost', port: named.port }).client.gauge('m', 1, []);
    await until(() => named.received.length === 1, 'another datagram');
  });

  it('wait for five tries, two seconds apart, and then are dropped with one line', async () => {
    const sleeps: number[] = [];
    const clock: Clock = {
      ...systemClock,
      sleep: (ms) => {
        sleeps.push(ms);
        return Promise.resolve();
      },
    };
    const { client, lines } = open({ host: 'no.such.host.invalid', port: '8125', clock });
    for (let count = 0; count < 10; count += 1) client.gauge('m', count, []);
    await client.close();
    expect(sleeps.length).toBeLessThanOrEqual(4);
    expect(sleeps.every((ms) => ms === 2000)).toBe(true);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      level: 'error',
      message: 'Metrics are not sent: the StatsD server cannot be reached',
      fields: { statsd: 'no.such.host.invalid:8125' },
    });
  });

  it('are tried five times when nobody closes in between', async () => {
    const sleeps: number[] = [];
    const clock: Clock = { ...systemClock, sleep: (ms) => Promise.resolve(void sleeps.push(ms)) };
    const { lines } = open({ host: '127.0.0.1', port: 'no-port', clock });
    await until(() => lines.length === 1, 'the line');
    expect(sleeps).toEqual([2000, 2000, 2000, 2000]);
  });

  it('survive a server that goes away', async () => {
    const gone = await new Promise<string>((resolve) => {
      const socket = createSocket('udp4');
      socket.bind(0, '127.0.0.1', () => {
        const { port } = socket.address();
        socket.close(() => resolve(String(port)));
      });
    });
    const { client } = open({ port: gone });
    for (let count = 0; count < 20; count += 1) {
      client.gauge('m', count, []);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await client.close();
  });
});
