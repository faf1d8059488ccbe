import { KubeConfig, CoreV1Api } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { busyboxImage, docker, needsDocker } from '../support/docker/index.ts';
import { needs } from '../support/tools.ts';
import { startKubernetesApi, type KubernetesApi } from './index.ts';
import { Client } from './support/client.ts';

/** What tests can let go wrong in the stand-in, and what it leaves behind. */
describe.runIf(needsDocker() && needs('openssl'))('the stand-in', () => {
  let api: KubernetesApi;
  let client: Client;
  beforeAll(async () => {
    api = await startKubernetesApi();
    client = new Client(api.kubeconfig, 'default');
  }, 60_000);
  afterAll(() => api.close(), 120_000);

  const create = (name: string, rest: object = {}, command = ['sleep', '1000']) => {
    const container = { name: 'main', image: busyboxImage, imagePullPolicy: 'IfNotPresent', command };
    const spec = { restartPolicy: 'Never', terminationGracePeriodSeconds: 0, containers: [container] };
    return client.raw('POST', client.path('pods'), { metadata: { name }, spec, ...rest });
  };
  const isGone = (name: string) =>
    client.eventually(async () =>
      (await client.raw('GET', client.path(`pods/${name}`))).code === 404 ? true : undefined,
    );

  it('answers with errors, as often as it is told to', async () => {
    api.faults.requests.answer({ code: 429, retryAfter: 3, times: 1, resource: 'secrets' });
    const busy = await client.raw('GET', client.path('secrets'));
    expect(busy.body).toMatchObject({ code: 429, reason: 'TooManyRequests', details: { retryAfterSeconds: 3 } });
    expect(busy.headers.get('retry-after')).toBe('3');
    expect((await client.raw('GET', client.path('secrets'))).code).toBe(200);
    const lift = api.faults.requests.answer({ code: 500, verb: 'list' });
    expect((await client.raw('GET', client.path('secrets'))).body).toMatchObject({
      code: 500,
      reason: 'InternalError',
    });
    lift();
    expect((await client.raw('GET', client.path('secrets'))).code).toBe(200);
  });

  it('refuses connections for a while, at the same address again afterwards', async () => {
    const listenAgain = await api.faults.refuseConnections();
    await expect(client.raw('GET', '/version')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await listenAgain();
    expect((await client.raw('GET', '/version')).body).toMatchObject({ gitVersion: 'v1.32.0' });
  });

  it('cuts connections: watches and execs', async () => {
    await create('cut');
    await client.runs('cut');
    const watched = client.raw('GET', client.path('pods?watch=true'));
    const lost = expect(watched).rejects.toBeDefined();
    const late = api.faults.requests.delay({ verb: 'get', resource: 'secrets', ms: 50 });
    // Answered, it proves that the watch before it has begun.
    await client.raw('GET', client.path('secrets/none'));
    late();
    api.faults.cutConnections();
    await lost;
    expect((await client.raw('GET', client.path('pods/cut'))).code).toBe(200);
    await client.raw('DELETE', client.path('pods/cut'));
    await isGone('cut');
  });

  it('lets tokens expire, and takes certificates', async () => {
    const account = api.account({ user: 'somebody' });
    const other = new Client(account.kubeconfig, 'default');
    expect((await other.raw('GET', other.path('pods'))).code).toBe(200);
    api.faults.expireToken(account.token);
    expect((await other.raw('GET', other.path('pods'))).body).toMatchObject({ code: 401, reason: 'Unauthorized' });
    const rules = [{ verbs: ['list'], resources: ['pods'] }];
    const certified = api.account({ user: 'certified', clientCertificate: true, rules });
    const holder = new Client(certified.kubeconfig, 'default');
    expect((await holder.raw('GET', holder.path('pods'))).code).toBe(200);
    expect((await holder.raw('GET', holder.path('secrets'))).body.message).toContain('User "certified" cannot list');
  });

  it('can be found from inside', async () => {
    const { environment, directory } = api.inCluster(api.account({ user: 'inside' }));
    const before = { ...process.env };
    Object.assign(process.env, environment);
    try {
      const config = new KubeConfig();
      config.loadFromCluster(directory);
      expect(config.getContextObject('inClusterContext')?.namespace).toBe('default');
      const { items } = await config.makeApiClient(CoreV1Api).listNamespacedPod({ namespace: 'default' });
      expect(items).toEqual([]);
    } finally {
      process.env = before;
    }
  });

  it('keeps to quotas and asks webhooks', async () => {
    const free = api.faults.requests.quota('default', { pods: 1, name: 'compute' });
    const hold = api.faults.pods.holdStart();
    expect((await create('one')).code).toBe(201);
    expect((await create('two')).body).toMatchObject({
      code: 403,
      reason: 'Forbidden',
      message: 'pods "two" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=1, limited: pods=1',
    });
    free();
    const allow = api.faults.requests.denyAdmission({ resource: 'pods', webhook: 'a.test', message: 'not here' });
    expect((await create('two')).body.message).toBe('admission webhook "a.test" denied the request: not here');
    allow();
    hold();
    await client.raw('DELETE', client.path('pods/one'));
    await isGone('one');
  });

  it('keeps pods from starting and from going', async () => {
    const go = api.faults.pods.holdStart('held');
    await create('held');
    const { status } = await client.podIs('held', (pod) => pod.spec?.nodeName !== undefined);
    expect(status?.phase).toBe('Pending');
    go();
    await client.runs('held');
    const release = api.faults.pods.holdDeletion('held');
    await client.raw('DELETE', client.path('pods/held?gracePeriodSeconds=1'));
    const { metadata } = await client.podIs('held', (pod) => pod.metadata?.deletionTimestamp !== undefined);
    expect(metadata).toMatchObject({ deletionGracePeriodSeconds: 1 });
    expect((await client.exec('held', ['echo', 'still here'])).stdout).toBe('still here\n');
    release();
    await isGone('held');
    const hold = api.faults.pods.holdStart('never');
    await create('never');
    await client.podIs('never', (pod) => pod.spec?.nodeName !== undefined);
    await client.raw('DELETE', client.path('pods/never?gracePeriodSeconds=1'));
    await isGone('never');
    hold();
    const take = api.faults.pods.refuseScheduling('0/1 nodes are available: 1 node(s) are on fire.', 'nowhere');
    await create('nowhere', {}, ['true']);
    expect(
      await client.eventually(async () => (await client.events('nowhere')).find((text) => text.includes('on fire'))),
    ).toMatch(/^FailedScheduling/);
    take();
    await client.ended('nowhere');
  });

  it('tells that a container was removed behind its back', async () => {
    await create('robbed');
    const { status } = await client.runs('robbed');
    await docker(['rm', '--force', status?.containerStatuses?.[0]?.containerID?.replace('docker://', '') ?? '']);
    const ended = await client.ended('robbed');
    expect(ended.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode: 137 });
  });

  it('gives a user who is added again the new rights', async () => {
    const rights = (...verbs: string[]) => [{ verbs, resources: ['pods'] }];
    const { kubeconfig } = api.account({ user: 'changing', rules: rights() });
    const changing = new Client(kubeconfig, 'default');
    expect((await changing.raw('GET', changing.path('pods'))).code).toBe(403);
    api.account({ user: 'changing', rules: rights('list') });
    expect((await changing.raw('GET', changing.path('pods'))).code).toBe(200);
  });

  it('warns of unknown fields, or refuses them if asked', async () => {
    const body = { metadata: { name: 'odd' }, data: { a: 'b' }, colour: 'green' };
    const warned = await client.raw('POST', client.path('configmaps'), body);
    expect(warned.headers.get('warning')).toContain('unknown field \\"colour\\"');
    expect(warned.body.colour).toBeUndefined();
    const strict = await client.raw('POST', client.path('configmaps?fieldValidation=Strict'), body);
    expect(strict.body).toMatchObject({ code: 400, reason: 'BadRequest' });
    expect(strict.body.message).toContain('strict decoding error: unknown field "colour"');
  });

  it('leaves nothing in the engine when it is closed with pods that run', async () => {
    const other = await startKubernetesApi();
    const user = new Client(other.kubeconfig, 'default');
    const container = { name: 'main', image: busyboxImage, imagePullPolicy: 'Never', command: ['sleep', '1000'] };
    const volumes = [{ name: 'memory', emptyDir: { medium: 'Memory' } }];
    const mounted = { ...container, volumeMounts: [{ name: 'memory', mountPath: '/m' }] };
    await user.raw('POST', user.path('pods'), { metadata: { name: 'runs' }, spec: { volumes, containers: [mounted] } });
    const absent = { ...container, image: 'semaphore-test/none:1' };
    await user.raw('POST', user.path('pods'), { metadata: { name: 'waits' }, spec: { containers: [absent] } });
    await user.runs('runs');
    const listed = async (...what: string[]) =>
      (await docker([...what, '--filter', `label=semaphore-test=${other.engineName}`, '--quiet'])).split('\n').length;
    expect(await listed('ps', '--all')).toBeGreaterThan(1);
    await other.close();
    await other.close();
    for (const what of [
      ['ps', '--all'],
      ['network', 'ls'],
      ['volume', 'ls'],
    ]) {
      expect(await docker([...what, '--filter', `label=semaphore-test=${other.engineName}`, '--quiet'])).toBe('');
    }
  });
});
