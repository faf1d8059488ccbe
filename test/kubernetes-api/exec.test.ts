import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { busyboxImage, needsDocker } from '../support/docker/index.ts';
import { needs } from '../support/tools.ts';
import { openCluster, type TestCluster } from './index.ts';
import { Client } from './support/client.ts';

/** Processes in containers over WebSockets, as the sub-protocols v4 and v5 have it. */
describe.runIf(needsDocker() && needs('openssl'))('exec', () => {
  let cluster: TestCluster;
  let client: Client;
  beforeAll(async () => {
    cluster = await openCluster();
    client = new Client(cluster.kubeconfig, cluster.namespace);
    const image = await cluster.image(busyboxImage);
    const container = { name: 'main', image, command: ['sleep', '1000'] };
    const spec = {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      containers: [container, { ...container, name: 'side' }],
    };
    const body = { metadata: { name: 'place' }, spec };
    await client.core.createNamespacedPod({ namespace: cluster.namespace, body });
    await client.runs('place');
  }, 180_000);
  afterAll(() => cluster.close(), 180_000);

  /** A WebSocket as the wire has it: what came, by channel. */
  async function open(query: Record<string, string | string[]>, protocols: string[]) {
    const parameters = new URLSearchParams();
    for (const [name, values] of Object.entries({ container: 'main', ...query })) {
      for (const value of [values].flat()) parameters.append(name, value);
    }
    const options: object = {};
    await client.config.applyToHTTPSOptions(options);
    const server = client.config.getCurrentCluster()?.server.replace('https', 'wss');
    const socket = new WebSocket(
      `${server}${client.path('pods/place/exec')}?${parameters.toString()}`,
      protocols,
      options,
    );
    const received: Record<number, string> = {};
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    socket.on('message', (data: Buffer) => {
      const channel = data[0] ?? -1;
      received[channel] = (received[channel] ?? '') + data.subarray(1).toString('utf8');
    });
    const sees = (channel: number, text: string) =>
      client.eventually(async () => (received[channel]?.includes(text) ? true : undefined));
    const send = (channel: number, text: string) =>
      socket.send(Buffer.concat([Buffer.from([channel]), Buffer.from(text)]));
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return { socket, received, closed, sees, send };
  }

  it('gives output and errors apart, and how the process ended', async () => {
    const good = await client.exec('place', ['sh', '-c', 'echo out; echo err >&2']);
    expect(good).toMatchObject({ stdout: 'out\n', stderr: 'err\n', status: { status: 'Success' } });
    const bad = await client.exec('place', ['sh', '-c', 'exit 7']);
    expect(bad.status).toMatchObject({
      status: 'Failure',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '7' }] },
    });
    expect(bad.status.message).toContain('command terminated with non-zero exit code');
  });

  it('says that a command is not in the image', async () => {
    const { status } = await client.exec('place', ['bash', '--login']);
    expect(status.status).toBe('Failure');
    expect(JSON.stringify(status)).toMatch(/executable file not found in \$PATH|ExitCode.*12[67]/);
  });

  it('passes much in both directions without a change', async () => {
    const input = Buffer.alloc(3_000_000, 'abcdefghij\n');
    // The end of the input is known by its size: not every version of the protocol can tell it.
    const { stdout } = await client.exec('place', ['head', '-c', String(input.length)], { input: withoutEnd(input) });
    expect(stdout.length).toBe(input.length);
    expect(Buffer.from(stdout).equals(input)).toBe(true);
  });

  it('has a real terminal, of the size that the client says', async () => {
    const exec = await open({ command: ['sh'], stdin: 'true', stdout: 'true', tty: 'true' }, ['v4.channel.k8s.io']);
    expect(exec.socket.protocol).toBe('v4.channel.k8s.io');
    exec.send(4, JSON.stringify({ Width: 123, Height: 45 }));
    exec.send(0, 'test -t 0 && echo a-"terminal"\n');
    await exec.sees(1, 'a-terminal');
    await client.eventually(async () => {
      exec.send(0, 'stty size\n');
      return exec.received[1]?.includes('45 123') ? true : undefined;
    });
    exec.send(0, 'exit 5\n');
    expect(await exec.closed).toBe(1000);
    expect(JSON.parse(exec.received[3] ?? '')).toMatchObject({ details: { causes: [{ message: '5' }] } });
  });

  it('does not end a process whose client is gone', async () => {
    const exec = await open(
      { command: ['sh', '-c', 'echo started; sleep 3; echo $$ > /tmp/survived'], stdout: 'true' },
      ['v4.channel.k8s.io'],
    );
    await exec.sees(1, 'started');
    exec.socket.terminate();
    const pid = await client.eventually(async () => {
      const { stdout, status } = await client.exec('place', ['cat', '/tmp/survived']);
      return status.status === 'Success' ? stdout : undefined;
    });
    expect(pid).toMatch(/^\d+\n$/);
  });

  it('refuses what it cannot run', async () => {
    const raw = async (query: string) => (await client.raw('GET', client.path(`pods/place/exec?${query}`))).code;
    expect(await raw('container=main&stdout=1&command=true')).toBe(400);
    const unnamed = open({ command: 'true', stdout: 'true', container: [] }, ['v4.channel.k8s.io']);
    await expect(unnamed).rejects.toThrow(/400/);
    await expect(client.exec('place', ['true'], { container: 'none' })).rejects.toMatchObject({
      message: expect.stringContaining('400'),
    });
    await expect(client.exec('none', ['true'])).rejects.toMatchObject({ message: expect.stringContaining('404') });
  });

  describe.runIf(!process.env.SEMAPHORE_TEST_KUBECONFIG)('of version 5 (Kubernetes 1.30 and later)', () => {
    it('can end the input', async () => {
      const input = Readable.from([Buffer.from('b\na\n')]);
      const { stdout, status } = await client.exec('place', ['sort'], { input });
      expect({ stdout, status: status.status }).toEqual({ stdout: 'a\nb\n', status: 'Success' });
    });

    it('is taken when both sides know it, and what is not a WebSocket is refused', async () => {
      const exec = await open({ command: 'true', stdout: 'true' }, ['v5.channel.k8s.io', 'v4.channel.k8s.io']);
      expect(exec.socket.protocol).toBe('v5.channel.k8s.io');
      await exec.closed;
      await expect(open({ command: 'true', stdout: 'true' }, ['v9.channel.k8s.io'])).rejects.toThrow(/403/);
    });
  });
});

/** A stream that gives the bytes and does not end. */
function withoutEnd(bytes: Buffer): Readable {
  const stream = new PassThrough();
  stream.write(bytes);
  return stream;
}
