import { Watch } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { needsDocker } from '../support/docker/index.ts';
import { needs } from '../support/tools.ts';
import { openCluster, type TestCluster } from './index.ts';
import { Client } from './support/client.ts';

/** Watches: what a client is told, and from where on. The same for the stand-in and a real Kubernetes but for the last part. */
describe.runIf(needsDocker() && needs('openssl'))('a watch', () => {
  let cluster: TestCluster;
  let client: Client;
  beforeAll(async () => {
    cluster = await openCluster({ bookmarkMs: 50 });
    client = new Client(cluster.kubeconfig, cluster.namespace);
  }, 120_000);
  afterAll(() => cluster.close(), 180_000);

  interface Seen {
    type: string;
    object: { metadata?: { name?: string; annotations?: object }; code?: number; reason?: string };
  }

  /** Watches ConfigMaps and gives what comes, until the test has ended. */
  async function watch(query: Record<string, string | number | boolean>) {
    const seen: Seen[] = [];
    let over = (): void => undefined;
    const ended = new Promise<void>((resolve) => (over = resolve));
    const take = (type: string, object: Seen['object']): void => void seen.push({ type, object });
    const stop = await new Watch(client.config).watch(client.path('configmaps'), query, take, () => over());
    onTestFinished(() => stop.abort());
    const sees = (...expected: string[]) =>
      client.eventually(async () => {
        const lines = seen.map(({ type, object }) => `${type} ${object.metadata?.name}`);
        return expected.every((line) => lines.includes(line)) ? lines : undefined;
      });
    return { seen, sees, ended };
  }

  const labelled = (name: string, app: string): object => ({ metadata: { name, labels: { app } } });
  const create = (name: string, app: string) => client.raw('POST', client.path('configmaps'), labelled(name, app));
  const label = (name: string, app: string) =>
    client.raw('PATCH', client.path(`configmaps/${name}`), labelled(name, app), 'application/merge-patch+json');
  const remove = (name: string) => client.raw('DELETE', client.path(`configmaps/${name}`));

  async function version(): Promise<string> {
    const { body } = await client.raw('GET', client.path('configmaps'));
    return (body.metadata as { resourceVersion: string }).resourceVersion;
  }

  it('begins with what is there, and goes on with what changes', async () => {
    await create('before', 'first');
    const { sees } = await watch({ labelSelector: 'app=first' });
    await sees('ADDED before');
    await create('later', 'first');
    await sees('ADDED later');
    await remove('later');
    expect(await sees('DELETED later')).toEqual(['ADDED before', 'ADDED later', 'DELETED later']);
  });

  it('takes up the history from a version on', async () => {
    await create('early', 'second');
    const resourceVersion = await version();
    await create('late', 'second');
    await remove('late');
    const { sees } = await watch({ labelSelector: 'app=second', resourceVersion });
    expect(await sees('DELETED late')).toEqual(['ADDED late', 'DELETED late']);
  });

  it('tells what enters and leaves the selection', async () => {
    await create('moves', 'third');
    const { sees } = await watch({ labelSelector: 'app=third', resourceVersion: await version() });
    await label('moves', 'elsewhere');
    await sees('DELETED moves');
    await label('moves', 'third');
    expect(await sees('ADDED moves')).toEqual(['DELETED moves', 'ADDED moves']);
  });

  it('ends after its time', async () => {
    const { ended } = await watch({ timeoutSeconds: 1 });
    await expect(ended).resolves.toBeUndefined();
  });

  describe.runIf(!process.env.SEMAPHORE_TEST_KUBECONFIG)('of the stand-in', () => {
    it('is told by bookmarks how far it has come', async () => {
      const { seen } = await watch({ allowWatchBookmarks: true, labelSelector: 'app=nothing' });
      const found = await client.eventually(async () => seen.find(({ type }) => type === 'BOOKMARK'));
      expect(found.object).toMatchObject({ kind: 'ConfigMap', metadata: { resourceVersion: await version() } });
    });

    it('and a list in parts get 410 for a version that is forgotten', async () => {
      for (const name of ['part-1', 'part-2']) await create(name, 'parts');
      const { body } = await client.raw('GET', client.path('configmaps?limit=1'));
      const { continue: next = '', resourceVersion } = body.metadata as { continue?: string; resourceVersion: string };
      cluster.standIn?.faults.expireHistory();
      const { seen, ended } = await watch({ resourceVersion });
      await ended;
      expect(seen).toMatchObject([{ type: 'ERROR', object: { code: 410, reason: 'Expired' } }]);
      const rest = await client.raw('GET', client.path(`configmaps?limit=1&continue=${next}`));
      expect(rest.body).toMatchObject({ code: 410, reason: 'Expired' });
    });
  });
});
