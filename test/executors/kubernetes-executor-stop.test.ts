import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sweepOrphans } from '../../src/executors/kubernetes-executor/sweep.ts';
import { type AgentProcess, ownPod, thisProcess } from '../../src/executors/kubernetes-executor/ownership.ts';
import { KubernetesClient, type Pod } from '../../src/executors/kubernetes/index.ts';
import { findConnection } from '../../src/executors/kubernetes/find-connection.ts';
import { systemClock } from '../../src/lib/index.ts';
import { keepingLogger } from '../agent/job-setup.ts';
import {
  type KubernetesApi,
  openCluster,
  podRemovalMs,
  realClusterVariable,
  type TestCluster,
} from '../kubernetes-api/index.ts';
import { pods } from '../kubernetes-api/objects/resources.ts';
import type { Change } from '../kubernetes-api/objects/store.ts';
import { needsDocker } from '../support/docker/index.ts';
import { encoded, podImage, podJob, type PodJob, type PodJobOptions, tagImages } from './kubernetes-setup.ts';

/** A real cluster has no faults on request. */
const withFaults = it.skipIf(process.env[realClusterVariable] !== undefined);
const ours = 'agent.semaphore/host';

/** How a job in a pod ends, by whomever, and what it leaves: nothing (spec CI 6.3, 5.9). */
describe.skipIf(!needsDocker())('a job in a pod', { timeout: 300_000 }, () => {
  let cluster: TestCluster;
  /** For faults. */
  let api: KubernetesApi;
  let admin: PodJob['client'];
  const jobs: PodJob[] = [];

  beforeAll(async () => {
    await tagImages();
    cluster = await openCluster();
    if (cluster.standIn) api = cluster.standIn;
    admin = (await podJob(cluster)).client;
  }, 180_000);

  afterEach(async () => {
    await Promise.all(jobs.splice(0).map(({ executor }) => executor.stop()));
  });

  afterAll(async () => {
    await cluster?.close();
  }, 2 * podRemovalMs);

  const make = async (options: PodJobOptions = {}): Promise<PodJob> => {
    const job = await podJob(cluster, options);
    jobs.push(job);
    return job;
  };

  /** With a shell. */
  const begin = async (options: PodJobOptions = {}): Promise<PodJob & { pod: string }> => {
    const job = await make(options);
    expect(await job.executor.prepare(), job.last().output).toBe(0);
    expect(await job.executor.start(), job.last().output).toBe(0);
    const [pod] = (await admin.listPods(ours)).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    return { ...job, pod: pod?.metadata.name ?? '' };
  };

  const namesLeft = async (): Promise<string[]> => {
    const objects = [...(await admin.listPods(ours)), ...(await admin.listSecrets(ours))];
    return objects.map(({ metadata }) => metadata.name);
  };

  const expectNothing = (): Promise<void> => expect.poll(namesLeft, { timeout: podRemovalMs }).toEqual([]);

  it('leaves nothing when it is stopped before it has begun', async () => {
    const job = await make();
    await job.executor.stop();
    expect(await job.executor.prepare()).toBe(1);
    expect(await job.executor.start()).toBe(1);
    expect(job.shown.map(({ exitCode }) => exitCode)).toEqual([1, 1]);
    expect(await namesLeft()).toEqual([]);
  });

  withFaults.each(['secrets', 'pods'])('leaves nothing when it is stopped while its %s are made', async (resource) => {
    const lift = api.faults.requests.delay({ verb: 'create', resource, ms: 1500 });
    const made: string[] = [];
    const note = ({ kind, plural }: Change): void => void (kind === 'ADDED' && made.push(plural));
    api.store.changes.on('change', note);
    const job = await make();
    const preparing = job.executor.prepare();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const stopping = job.executor.stop();
    expect(await preparing).toBe(1);
    await stopping;
    lift();
    api.store.changes.off('change', note);
    // What was on its way came to be: nobody can call it back.
    expect(made).toContain(resource);
    await expectNothing();
  });

  withFaults('leaves nothing when it is stopped while its pod starts, and says nothing more', async () => {
    const release = api.faults.pods.holdStart();
    const job = await make();
    await job.executor.prepare();
    const starting = job.executor.start();
    await job.said('not ready yet');
    await job.executor.stop();
    expect(await starting).toBe(1);
    expect(job.last().output).not.toContain('could not');
    release();
    await expectNothing();
  });

  withFaults('leaves nothing when it is stopped while its shell starts', async () => {
    const lift = api.faults.requests.delay({ resource: 'pods', subresource: 'exec', ms: 2000 });
    const job = await make();
    await job.executor.prepare();
    const starting = job.executor.start();
    await job.said('Starting a new bash session');
    await job.executor.stop();
    lift();
    expect(await starting).toBe(1);
    expect(job.last().output).not.toContain('Failed');
    await expectNothing();
  });

  it('that is stopped ends with 1, its processes hear TERM first, and nothing is left', async () => {
    const job = await begin({ stopGraceMs: 5000 });
    const running = job.executor.run({
      directive: `(trap 'echo background heard; exit' TERM; while :; do sleep 0.1; done) & bash -c 'trap "echo heard; exit" TERM; echo up; while :; do sleep 0.1; done'; echo not reached`,
    });
    await job.said('up\n');
    await job.executor.stop();
    expect(await running).toBe(1);
    expect(job.last().output).toContain('heard\n');
    expect(job.last().output).not.toContain('not reached');
    expect(job.last().output).not.toContain('pod of the job');
    await expectNothing();
    expect(await job.executor.run({ directive: 'echo x' })).toBe(1);
    await job.executor.stop();
  });

  it('that does not hear TERM is stopped after its grace', async () => {
    const job = await begin({ stopGraceMs: 300 });
    const running = job.executor.run({
      directive: `trap '' TERM; bash -c 'trap "" TERM HUP; echo up; while :; do sleep 1; done'`,
    });
    await job.said('up\n');
    await job.executor.stop();
    expect(await running).toBe(1);
    await expectNothing();
  });

  it('whose pod is deleted by somebody says so', async () => {
    const job = await begin();
    const running = job.executor.run({ directive: 'echo up; sleep 100' });
    await job.said('up\n');
    await admin.deletePod(job.pod, { graceSeconds: 1 });
    expect(await running).toBe(1);
    expect(job.last().output).toMatch(
      /^up\n+The pod of the job (was deleted|is being deleted: by somebody, or because its node is drained)\.\n$/,
    );
    // Once is enough.
    expect(await job.executor.run({ directive: 'echo more' })).toBe(1);
    expect(job.last().output).toBe('');
    await job.executor.stop();
    await expectNothing();
  });

  withFaults('whose pod is evicted says so, also while the connection to its node stays open', async () => {
    const job = await begin();
    const running = job.executor.run({ directive: 'echo up; sleep 100' });
    await job.said('up\n');
    const found = api.store.get(pods, cluster.namespace, job.pod);
    api.store.modify(pods, found, (pod) => {
      (pod as unknown as Pod).status = {
        phase: 'Failed',
        reason: 'Evicted',
        message: 'The node was low on resource: memory.',
      };
    });
    expect(await running).toBe(1);
    expect(job.last().output).toBe('up\nThe pod of the job was evicted: The node was low on resource: memory.\n');
  });

  withFaults('whose connection is lost says that it cannot be taken up again', async () => {
    const job = await begin();
    const running = job.executor.run({ directive: 'echo up; sleep 100' });
    await job.said('up\n');
    api.faults.cutExecs();
    expect(await running).toBe(1);
    expect(job.last().output).toBe(
      'up\nThe connection to the shell of the job was lost (the connection was lost); a shell cannot be connected to again.\n',
    );
    await job.executor.stop();
    await expectNothing();
  });

  it('that kills its own shell is not told about the pod', async () => {
    const job = await begin();
    expect(await job.executor.run({ directive: 'kill -9 $$' })).toBe(1);
    expect(job.last().output).toBe('');
  });

  withFaults('is removed when the API server is there again', async () => {
    const job = await begin();
    const lift = await api.faults.refuseConnections();
    await job.executor.stop();
    expect(job.agentLog.join('\n')).toMatch(
      /cannot be removed from the cluster; it is tried again .*connection was refused/,
    );
    await lift();
    await expectNothing();
    expect(job.agentLog.join('\n')).toContain('Removed what a job has left');
    await job.leftovers.close();
  });

  it('gives its secrets to its pod: they go when somebody removes that, with nobody else there', async () => {
    const job = await begin();
    await admin.deletePod(job.pod, { graceSeconds: 0 });
    await expectNothing();
  });

  describe('of an agent that was killed', () => {
    const dead: AgentProcess = { ...thisProcess(), pid: 4_194_303, started: '1' };

    const sweep = async (self = thisProcess(), client = admin): Promise<string[]> => {
      const log: string[] = [];
      await sweepOrphans({ client, self, logger: keepingLogger(log), signal: AbortSignal.timeout(30_000) });
      return log;
    };

    it('is removed by the next one, with its secrets; what belongs to others stays', async () => {
      const orphan = await make({ owner: dead, request: { job_id: 'orphan', env_vars: [encoded('A', '1')] } });
      const elsewhere = await make({ owner: { ...dead, host: 'f00' }, request: { job_id: 'elsewhere' } });
      const alive = await make({ request: { job_id: 'alive' } });
      for (const { executor } of [orphan, elsewhere, alive]) expect(await executor.prepare()).toBe(0);
      const log = await sweep();
      expect(log.filter((line) => line.startsWith('Removed'))).toEqual([
        expect.stringContaining('semaphore-job-orphan'),
        ...(log.length > 1 ? [expect.stringContaining('semaphore-job-orphan-secret')] : []),
      ]);
      await expect
        .poll(async () => (await namesLeft()).toSorted(), { timeout: podRemovalMs })
        .toEqual([
          'semaphore-job-alive',
          'semaphore-job-alive-secret',
          'semaphore-job-elsewhere',
          'semaphore-job-elsewhere-secret',
        ]);
    });

    it('is removed by any agent of the namespace when it was a pod that is gone', async () => {
      const orphan = await make({ owner: { ...dead, host: 'f00', pod: { name: 'agent-x', uid: '1' } } });
      expect(await orphan.executor.prepare()).toBe(0);
      await sweep();
      await expectNothing();
    });

    withFaults('goes with the pod of its agent: Kubernetes removes it when that is removed', async () => {
      const inside = api.inCluster(api.account({ namespace: cluster.namespace }), cluster.namespace);
      const connection = await findConnection({
        env: inside.environment,
        serviceAccountDirectory: inside.serviceAccount,
      });
      const client = new KubernetesClient(connection, systemClock);
      const agent = { metadata: { name: 'agent-1' }, spec: { containers: [{ name: 'agent', image: podImage }] } };
      const { metadata } = await client.createPod(agent);
      const pod = await ownPod(client, 'agent-1');
      expect(pod).toEqual({ name: 'agent-1', uid: metadata.uid });
      const job = await make({ client, owner: thisProcess(pod) });
      expect(await job.executor.prepare(), job.last().output).toBe(0);
      expect(await namesLeft()).toHaveLength(2);
      await admin.deletePod('agent-1', { graceSeconds: 0 });
      await expectNothing();
    });

    it('is let be where the agent may not look, which it says', async () => {
      const { kubeconfig } = await cluster.account([]);
      const { client } = await podJob(cluster, { kubeconfig });
      const log = await sweep(thisProcess(), client);
      expect(log).toEqual([
        expect.stringMatching(/cannot be removed .*resources \[\\"pods\\"\], verbs \[\\"list\\"\]/),
        expect.stringMatching(/cannot be removed .*resources \[\\"secrets\\"\], verbs \[\\"list\\"\]/),
      ]);
    });
  });
});
