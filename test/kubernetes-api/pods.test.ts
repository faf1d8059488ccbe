import type { V1Pod, V1PodSpec } from '@kubernetes/client-node';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { busyboxImage, dockerNames, needsDocker, pushImage, startRegistry } from '../support/docker/index.ts';
import { needs } from '../support/tools.ts';
import { openCluster, type TestCluster } from './index.ts';
import { Client } from './support/client.ts';

/** Pods run: what their processes see, what their status and events say. The same for the stand-in and a real Kubernetes. */
describe.runIf(needsDocker() && needs('openssl'))('pods', () => {
  let cluster: TestCluster;
  let client: Client;
  let image: string;
  beforeAll(async () => {
    cluster = await openCluster();
    client = new Client(cluster.kubeconfig, cluster.namespace);
    image = await cluster.image(busyboxImage);
  }, 120_000);
  afterAll(() => cluster.close(), 180_000);

  const shell = (script: string): { name: string; image: string; command: string[] } => ({
    name: 'main',
    image,
    command: ['sh', '-c', script],
  });

  async function start(name: string, spec: Partial<V1PodSpec> & Pick<V1PodSpec, 'containers'>): Promise<V1Pod> {
    const body = { metadata: { name }, spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 1, ...spec } };
    return client.core.createNamespacedPod({ namespace: cluster.namespace, body });
  }
  const log = (name: string, container = 'main') =>
    client.core.readNamespacedPodLog({ name, container, namespace: cluster.namespace });
  const waiting = (name: string, reason: string) =>
    client.podIs(name, ({ status }) => status?.containerStatuses?.[0]?.state?.waiting?.reason === reason);
  const event = (name: string, pattern: RegExp) =>
    client.eventually(async () => (await client.events(name)).find((text) => pattern.test(text)));

  it('see volumes, variables, arguments and aliases as Kubernetes gives them, and share one network', async () => {
    const { namespace } = cluster;
    const secret = { metadata: { name: 'files' }, immutable: true, stringData: { '.env': 'A=1', key: 'secret' } };
    await client.core.createNamespacedSecret({ namespace, body: secret });
    await client.core.createNamespacedConfigMap({
      namespace,
      body: { metadata: { name: 'settings' }, data: { COLOUR: 'green', 'not-a-variable': 'x' } },
    });
    const script = [
      'echo "args: $0 $*"',
      'pwd',
      'id -u; id -g; id -G',
      'echo "env: $PLAIN $REF $SECRET $COLOUR $NAME $ESCAPED"',
      'cat /injected/.env; echo',
      'readlink /injected/key; stat -L -c "%a %u" /injected/key /private/only',
      'touch /injected/x 2>/dev/null || echo read-only',
      'ls /private',
      'touch /work/a /memory/b && grep -c " /memory tmpfs" /proc/mounts',
      'wget -q -O - http://db:8080/index.html',
    ].join('\n');
    await start('sees', {
      hostAliases: [{ ip: '127.0.0.1', hostnames: ['db', 'cache'] }],
      securityContext: { fsGroup: 2000 },
      initContainers: [
        {
          name: 'prepare',
          image,
          command: ['sh', '-c', 'echo prepared > /work/index.html'],
          volumeMounts: [{ name: 'work', mountPath: '/work' }],
        },
      ],
      volumes: [
        { name: 'injected', secret: { secretName: 'files' } },
        { name: 'private', secret: { secretName: 'files', items: [{ key: 'key', path: 'only' }], defaultMode: 0o400 } },
        { name: 'work', emptyDir: {} },
        { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
      ],
      containers: [
        {
          name: 'main',
          image,
          command: [
            'sh',
            '-c',
            `for i in $(seq 30); do wget -q -O /dev/null http://db:8080/ && break; sleep 1; done 2>/dev/null\n${script}`,
            'zero',
          ],
          args: ['$(PLAIN)', '$$(PLAIN)', '$(NONE)'],
          workingDir: '/work',
          securityContext: { runAsUser: 1001, runAsGroup: 1002 },
          env: [
            { name: 'PLAIN', value: 'plain' },
            { name: 'REF', value: '<$(PLAIN)>' },
            { name: 'ESCAPED', value: '$$(PLAIN)' },
            { name: 'SECRET', valueFrom: { secretKeyRef: { name: 'files', key: 'key' } } },
            { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
          ],
          envFrom: [{ configMapRef: { name: 'settings' } }],
          volumeMounts: [
            { name: 'injected', mountPath: '/injected', readOnly: true },
            { name: 'private', mountPath: '/private' },
            { name: 'work', mountPath: '/work' },
            { name: 'memory', mountPath: '/memory' },
          ],
        },
        {
          name: 'db',
          image,
          command: ['httpd', '-f', '-p', '127.0.0.1:8080', '-h', '/work'],
          volumeMounts: [{ name: 'work', mountPath: '/work' }],
        },
      ],
    });
    await client.podIs('sees', ({ status }) =>
      Boolean(status?.containerStatuses?.find(({ name }) => name === 'main')?.state?.terminated),
    );
    expect((await log('sees')).split('\n')).toEqual([
      'args: zero plain $(PLAIN) $(NONE)',
      '/work',
      '1001',
      '1002',
      '1002 2000',
      'env: plain <plain> secret green sees $(PLAIN)',
      'A=1',
      '..data/key',
      '644 0',
      '440 0',
      'read-only',
      'only',
      '1',
      'prepared',
      '',
    ]);
  });

  it('say how they ended, with their exit codes and events', async () => {
    await start('ends', { containers: [shell('echo done')] });
    await start('fails', { containers: [shell('exit 3')] });
    const good = await client.ended('ends');
    expect(good.status).toMatchObject({ phase: 'Succeeded' });
    expect(good.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode: 0, reason: 'Completed' });
    const bad = await client.ended('fails');
    expect(bad.status).toMatchObject({ phase: 'Failed' });
    expect(bad.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode: 3, reason: 'Error' });
    // Events come when they come.
    for (const reason of ['Scheduled', 'Pulled', 'Created', 'Started']) {
      expect(await event('ends', new RegExp(`^${reason}: `))).toBeDefined();
    }
    await expect(client.exec('ends', ['true'])).rejects.toBeDefined();
  });

  it('are killed when they need more memory than their limit', async () => {
    await start('large', {
      containers: [{ ...shell('tail /dev/zero'), resources: { limits: { memory: '16Mi' } } }],
    });
    const { status } = await client.ended('large');
    expect(status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
  });

  it('end on TERM within their grace, and on KILL after it', async () => {
    const { namespace } = cluster;
    await start('polite', {
      terminationGracePeriodSeconds: 60,
      containers: [shell('trap "exit 0" TERM; sleep 1000 & wait')],
    });
    await start('deaf', { containers: [shell('trap "" TERM; while true; do sleep 1; done')] });
    await client.runs('polite');
    await client.runs('deaf');
    const deleted = await client.core.deleteNamespacedPod({ name: 'polite', namespace });
    expect(deleted.metadata).toMatchObject({ deletionGracePeriodSeconds: 60 });
    await client.core.deleteNamespacedPod({ name: 'deaf', namespace });
    for (const name of ['polite', 'deaf']) {
      const gone = await client.eventually(async () =>
        (await client.raw('GET', client.path(`pods/${name}`))).code === 404 ? true : undefined,
      );
      expect(gone).toBe(true);
    }
  });

  it('wait for a secret that is not there, and say so', async () => {
    const from = { name: 'A', valueFrom: { secretKeyRef: { name: 'later', key: 'a' } } };
    await start('waits', { containers: [{ ...shell('echo $A'), env: [from] }] });
    const { status } = await waiting('waits', 'CreateContainerConfigError');
    expect(status?.containerStatuses?.[0]?.state?.waiting?.message).toBe('secret "later" not found');
    await start('mounts', {
      volumes: [{ name: 'v', secret: { secretName: 'later' } }],
      containers: [{ ...shell('cat /v/a'), volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
    });
    expect(await event('mounts', /^FailedMount/)).toContain('secret "later" not found');
    const body = { metadata: { name: 'later' }, stringData: { a: 'here' } };
    await client.core.createNamespacedSecret({ namespace: cluster.namespace, body });
    await client.ended('waits');
    await client.ended('mounts');
    expect([await log('waits'), await log('mounts')]).toEqual(['here\n', 'here']);
  });

  it('are held to their security context, see directories of the node, and themselves through the downward API', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'semaphore-test-node-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    writeFileSync(join(directory, 'note'), 'of the node\n');
    await start('root', { securityContext: { runAsNonRoot: true }, containers: [shell('true')] });
    const { status } = await waiting('root', 'CreateContainerConfigError');
    expect(status?.containerStatuses?.[0]?.state?.waiting?.message).toContain('image will run as root');
    await start('bounded', {
      volumes: [
        { name: 'node', hostPath: { path: directory, type: 'Directory' } },
        { name: 'empty', emptyDir: {} },
        { name: 'self', downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } },
      ],
      containers: [
        {
          ...shell(
            'cat /node/note /self/name; echo; touch /x || echo no; chown 1 /emptied || echo no; grep NoNewPrivs /proc/self/status',
          ),
          securityContext: {
            readOnlyRootFilesystem: true,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
          },
          volumeMounts: [
            { name: 'node', mountPath: '/node', readOnly: true },
            { name: 'self', mountPath: '/self' },
            { name: 'empty', mountPath: '/emptied' },
          ],
        },
      ],
    });
    await client.ended('bounded');
    const lines = (await log('bounded')).split('\n').filter((line) => !/^(touch|chown):/.test(line));
    expect(lines).toEqual(['of the node', 'bounded', 'no', 'no', 'NoNewPrivs:\t1', '']);
  });

  it('say that a command is not in the image', async () => {
    await start('nothing', { containers: [{ name: 'main', image, command: ['/no/such/program'] }] });
    const { status } = await client.ended('nothing');
    expect(status?.phase).toBe('Failed');
    expect(JSON.stringify(status?.containerStatuses?.[0]?.state?.terminated)).toMatch(/no such file or directory/);
    expect(await event('nothing', /^Failed: Error: failed to start container/)).toBeDefined();
  });

  it('wait where no node can take them', async () => {
    await start('homeless', { nodeSelector: { disk: 'diamond' }, containers: [shell('true')] });
    await start('greedy', { containers: [{ ...shell('true'), resources: { requests: { cpu: '1000' } } }] });
    expect(await event('homeless', /^FailedScheduling/)).toMatch(/0\/1 nodes are available: 1 node\(s\) didn't match/);
    expect(await event('greedy', /^FailedScheduling/)).toContain('Insufficient cpu');
    const { status } = await client.core.readNamespacedPod({ name: 'homeless', namespace: cluster.namespace });
    expect(status).toMatchObject({ phase: 'Pending' });
    expect(status?.conditions?.[0]).toMatchObject({ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' });
    for (const name of ['homeless', 'greedy']) {
      await client.core.deleteNamespacedPod({ name, namespace: cluster.namespace });
      expect((await client.raw('GET', client.path(`pods/${name}`))).code).toBe(404);
    }
  });

  it('are ended at their deadline', async () => {
    await start('slow', { activeDeadlineSeconds: 2, containers: [shell('sleep 1000')] });
    const { status } = await client.ended('slow');
    expect(status).toMatchObject({ phase: 'Failed', reason: 'DeadlineExceeded' });
  });

  it('are started again as their policy says', async () => {
    await start('again', {
      restartPolicy: 'OnFailure',
      containers: [shell('test -e /v/x && exit 0; touch /v/x; exit 1')].map((container) => ({
        ...container,
        volumeMounts: [{ name: 'v', mountPath: '/v' }],
      })),
      volumes: [{ name: 'v', emptyDir: {} }],
    });
    const { status } = await client.ended('again');
    expect(status).toMatchObject({ phase: 'Succeeded' });
    expect(status?.containerStatuses?.[0]?.restartCount).toBe(1);
  });

  it('give their logs: all, the last lines, those since a time, one container', async () => {
    const { namespace } = cluster;
    await start('talks', {
      containers: [
        shell('for i in 1 2 3; do echo line $i; sleep 1; done; sleep 1000'),
        { ...shell('echo other; sleep 1000'), name: 'other' },
      ],
    });
    await client.eventually(async () => {
      const text = await client.raw('GET', client.path('pods/talks/log?container=main'));
      return text.body.message?.includes('line 3') ? true : undefined;
    });
    const read = (options: object) =>
      client.core.readNamespacedPodLog({ name: 'talks', namespace, container: 'main', ...options });
    expect(await read({})).toBe('line 1\nline 2\nline 3\n');
    expect(await read({ tailLines: 1 })).toBe('line 3\n');
    expect(await log('talks', 'other')).toBe('other\n');
    const [, second = ''] = (await read({ timestamps: true })).split('\n');
    const [time = '', ...words] = second.split(' ');
    expect(words.join(' ')).toBe('line 2');
    const since = await client.raw(
      'GET',
      client.path(`pods/talks/log?container=main&sinceTime=${encodeURIComponent(time)}`),
    );
    expect(since.body.message).toContain('line 3');
    expect(since.body.message).not.toContain('line 1');
    const unnamed = await client.raw('GET', client.path('pods/talks/log'));
    expect(unnamed.body).toMatchObject({ code: 400, reason: 'BadRequest' });
    expect(unnamed.body.message).toContain('a container name must be specified for pod talks');
    const wrong = await client.raw('GET', client.path('pods/talks/log?container=none'));
    expect(wrong.body).toMatchObject({ code: 400, message: 'container none is not valid for pod talks' });
  });

  describe.runIf(needs('docker-registry'))('and a registry', () => {
    // A real node keeps what it has pulled.
    const repository = dockerNames('k8s');

    it('that asks who they are: not without imagePullSecrets, and with them', async () => {
      const account = { user: 'bot', password: 's3cr3t' };
      const registry = await startRegistry(account);
      try {
        const name = await pushImage(busyboxImage, registry, `${repository}:1`);
        await start('stranger', { containers: [{ name: 'main', image: name, command: ['true'] }] });
        await waiting('stranger', 'ImagePullBackOff');
        expect(await event('stranger', /^Failed: Failed to pull image/)).toContain(name);
        expect(await event('stranger', /^Failed: Error: ErrImagePull$/)).toBeDefined();
        expect(await event('stranger', /^BackOff/)).toBe(`BackOff: Back-off pulling image "${name}"`);
        const auth = Buffer.from(`${account.user}:${account.password}`).toString('base64');
        const config = { auths: { [registry.address]: { username: account.user, password: account.password, auth } } };
        await client.core.createNamespacedSecret({
          namespace: cluster.namespace,
          body: {
            metadata: { name: 'login' },
            type: 'kubernetes.io/dockerconfigjson',
            immutable: true,
            stringData: { '.dockerconfigjson': JSON.stringify(config) },
          },
        });
        await start('friend', {
          imagePullSecrets: [{ name: 'login' }],
          containers: [{ name: 'main', image: name, command: ['echo', 'pulled'] }],
        });
        await client.ended('friend');
        expect(await log('friend')).toBe('pulled\n');
      } finally {
        await registry.stop();
      }
    });
  });
});
