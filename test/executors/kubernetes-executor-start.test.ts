import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type KubernetesApi,
  type NamespaceRule,
  openCluster,
  podRemovalMs,
  realClusterVariable,
  type TestCluster,
} from '../kubernetes-api/index.ts';
import { needsDocker } from '../support/docker/index.ts';
import {
  addConfigMap,
  encoded,
  podImage,
  podJob,
  type PodJob,
  type PodJobOptions,
  smallImage,
  tagImages,
} from './kubernetes-setup.ts';

/** A real cluster has no faults on request. */
const withFaults = it.skipIf(process.env[realClusterVariable] !== undefined);
const ours = 'agent.semaphore/host';

async function namesOf(objects: Promise<{ metadata: { name: string } }[]>): Promise<string[]> {
  return (await objects).map(({ metadata }) => metadata.name);
}

/** How a pod comes to be, or does not (spec CI 6.3). */
describe.skipIf(!needsDocker())('the pod of a job', { timeout: 480_000 }, () => {
  let cluster: TestCluster;
  /** For faults. */
  let api: KubernetesApi;
  const jobs: PodJob[] = [];

  beforeAll(async () => {
    await tagImages();
    cluster = await openCluster();
    if (cluster.standIn) api = cluster.standIn;
  }, 180_000);

  afterEach(async () => {
    await Promise.all(jobs.splice(0).map(({ executor }) => executor.stop()));
  });

  afterAll(async () => {
    await cluster?.close();
  }, 2 * podRemovalMs);

  const begin = async (options: PodJobOptions): Promise<PodJob> => {
    const job = await podJob(cluster, options);
    jobs.push(job);
    await job.executor.prepare();
    return job;
  };

  /** Of no job, when all are stopped. */
  const expectNothing = async (): Promise<void> => {
    await Promise.all(jobs.map(({ executor }) => executor.stop()));
    const { client } = await podJob(cluster);
    await expect.poll(() => namesOf(client.listPods(ours)), { timeout: podRemovalMs }).toEqual([]);
    expect(await namesOf(client.listSecrets(ours))).toEqual([]);
  };

  const containers = (...images: string[]) => ({
    compose: { containers: images.map((image, index) => ({ name: `c${index}`, image })) },
  });

  describe('is refused', () => {
    it.each<[string, PodJobOptions, string]>([
      [
        'an image that is not allowed',
        { settings: { allowedImages: ['^registry\\.example\\.test/'] } },
        `Failed to create pod: error building pod spec: image '${podImage}' is not allowed\n`,
      ],
      [
        'no containers',
        { request: { compose: {} } },
        'Failed to create pod: error building pod spec: no containers specified in Semaphore YAML, and no default container is provided\n',
      ],
      [
        'a value that is not base64',
        { request: { env_vars: [{ name: 'N', value: '*' }] } },
        "Failed to create environment secret: the value of the variable 'N' is not base64\n",
      ],
      [
        'credentials of an unknown kind',
        {
          request: {
            compose: {
              containers: [{ image: podImage }],
              image_pull_credentials: [{ env_vars: [encoded('DOCKER_CREDENTIAL_TYPE', 'Bogus')], files: [] }],
            },
          },
        },
        "Failed to create temporary image pull secret: unknown DOCKER_CREDENTIAL_TYPE: 'Bogus'\n",
      ],
      [
        'a ConfigMap that is not there',
        { settings: { podSpec: 'nowhere' } },
        'Failed to load pod spec: there is no ConfigMap "nowhere" in namespace <ns>. kubernetes-pod-spec names it.\n',
      ],
    ])('with the words of the original: %s', async (_, options, text) => {
      const job = await begin(options);
      expect(job.shown).toEqual([
        {
          directive: 'Creating Kubernetes resources for job...',
          output: text.replace('<ns>', cluster.namespace),
          exitCode: 1,
        },
      ]);
      await expectNothing();
    });

    it.each<[string, NamespaceRule[], RegExp]>([
      [
        'secrets',
        [{ verbs: ['*'], resources: ['pods'] }],
        /^Failed to create environment secret: secrets is forbidden: .*cannot create resource "secrets".* A Role in namespace .* must allow it: apiGroups \[""\], resources \["secrets"\], verbs \["create"\]\.\n$/,
      ],
      [
        'pods',
        [{ verbs: ['create', 'delete'], resources: ['secrets'] }],
        /^Failed to create pod: pods is forbidden: .* resources \["pods"\], verbs \["create"\]\.\n$/,
      ],
      [
        'configmaps',
        [{ verbs: ['*'], resources: ['pods', 'secrets'] }],
        /^Failed to load pod spec: configmaps "deco" is forbidden: .* resources \["configmaps"\], verbs \["get"\]\.\n$/,
      ],
    ])('without the right to %s', async (what, rules, text) => {
      const { kubeconfig } = await cluster.account(rules);
      const job = await begin({ kubeconfig, settings: { podSpec: what === 'configmaps' ? 'deco' : '' } });
      expect(job.last().exitCode).toBe(1);
      expect(job.last().output).toMatch(text);
      await expectNothing();
    });

    withFaults('by a quota and by a policy, with their words', async () => {
      const lifts = [api.faults.requests.quota(cluster.namespace, { pods: 0 })];
      const first = await begin({});
      lifts.push(api.faults.requests.denyAdmission({ resource: 'pods', verb: 'create', message: 'no latest' }));
      const second = await begin({});
      for (const lift of lifts) lift();
      expect(first.last().output).toMatch(
        /^Failed to create pod: pods "semaphore-job-.*" is forbidden: exceeded quota: .*\. A ResourceQuota/,
      );
      expect(second.last().output).toMatch(
        /^Failed to create pod: admission webhook ".*" denied the request: no latest/,
      );
      await expectNothing();
    });

    it('by the API, for what only it knows', async () => {
      await addConfigMap(cluster, 'wrong', { pod: 'nodeSelector: nonsense\n' });
      const job = await begin({ settings: { podSpec: 'wrong' } });
      expect(job.last().output).toMatch(/^Failed to create pod: .*nodeSelector/s);
      await addConfigMap(cluster, 'broken', { mainContainer: 'a: [\n' });
      const broken = await begin({ settings: { podSpec: 'broken' } });
      expect(broken.last().output).toMatch(
        /^Failed to load pod spec: key "mainContainer" of the ConfigMap is not valid YAML: /,
      );
    });
  });

  it('is decorated, labelled, and starts with the rights that the documentation names', async () => {
    await addConfigMap(cluster, 'semaphore-pod', {
      pod: 'nodeSelector: {kubernetes.io/os: linux}\nhostname: decorated\n',
      mainContainer: 'env:\n  - {name: FROM, value: decoration}\nworkingDir: /opt\n',
      sidecarContainers: 'env: [{name: SIDE, value: "1"}]\n',
    });
    const rules = [
      { verbs: ['get', 'create', 'delete'], resources: ['pods'] },
      { verbs: ['get', 'create'], resources: ['pods/exec'] },
      { verbs: ['create', 'delete'], resources: ['secrets'] },
      { verbs: ['get'], resources: ['configmaps'] },
    ];
    const { kubeconfig } = await cluster.account(rules);
    const job = await begin({
      kubeconfig,
      settings: { podSpec: 'semaphore-pod', labels: { team: 'build' } },
      request: { job_id: 'decorated', ...containers(podImage, podImage) },
    });
    expect(job.last(), job.last().output).toMatchObject({ exitCode: 0, output: '' });
    expect(await job.executor.start(), job.last().output).toBe(0);
    expect(await job.executor.run({ directive: 'echo $FROM; hostname' })).toBe(0);
    expect(job.last().output).toBe('decoration\ndecorated\n');
    const admin = (await podJob(cluster)).client;
    const [pod] = await admin.listPods('team=build');
    expect(pod?.metadata.name).toBe('semaphore-job-decorated');
    expect(pod?.spec.containers[1]?.env).toContainEqual({ name: 'SIDE', value: '1' });
    expect((await admin.listSecrets('team=build')).map(({ metadata }) => metadata.name)).toEqual([
      'semaphore-job-decorated-secret',
    ]);
    await expectNothing();
  });

  it('gets another name when its own is taken', async () => {
    const first = await begin({ request: { job_id: 'twice', ...containers(smallImage) } });
    const second = await begin({ request: { job_id: 'twice', ...containers(smallImage) } });
    expect(second.last(), second.last().output).toMatchObject({ exitCode: 0 });
    const names = (await first.client.listPods(ours)).map(({ metadata }) => metadata.name);
    expect(names.toSorted()).toEqual([
      'semaphore-job-twice',
      expect.stringMatching(/^semaphore-job-twice-[0-9a-f]{6}$/),
    ]);
    await second.executor.stop();
    await expect.poll(async () => (await first.client.listPods(ours)).length, { timeout: podRemovalMs }).toBe(1);
    expect((await first.client.listSecrets(ours)).map(({ metadata }) => metadata.name)).toEqual([
      'semaphore-job-twice-secret',
    ]);
    await expectNothing();
  });

  it('is given up at once when an image cannot be pulled', async () => {
    const job = await begin({ request: containers('127.0.0.1:1/none:1') });
    expect(await job.executor.start()).toBe(1);
    expect(job.last().output).toMatch(
      /\nPod could not be started: the image of container 'main' cannot be pulled: (ErrImagePull|ImagePullBackOff)/,
    );
    await expectNothing();
  });

  it('is given up at once without bash in its image', async () => {
    const job = await begin({ request: containers(smallImage) });
    expect(await job.executor.start()).toBe(1);
    expect(job.last().output).toMatch(
      /Pod could not be started: .*"bash".*executable file not found.*\(the image must have bash\)/s,
    );
    await expectNothing();
  });

  it('is given up at once when its configuration names what is not there', async () => {
    await addConfigMap(cluster, 'needs-more', {
      mainContainer: 'env: [{name: A, valueFrom: {secretKeyRef: {name: nowhere, key: a}}}]\n',
    });
    const job = await begin({ settings: { podSpec: 'needs-more' } });
    expect(await job.executor.start()).toBe(1);
    expect(job.last().output).toMatch(
      /Pod could not be started: container 'main' cannot be started: CreateContainerConfigError: .*nowhere/,
    );
  });

  withFaults('is waited for as long as it is configured, with the reasons that its events give', async () => {
    const lift = api.faults.pods.refuseScheduling('0/1 nodes are available: 1 Insufficient memory.');
    const job = await begin({ settings: { podStartTimeout: 5 } });
    expect(await job.executor.start()).toBe(1);
    lift();
    expect(job.last().output).toMatch(
      /^Pod is not ready yet: the pod is pending: Unschedulable: 0\/1 nodes are available: 1 Insufficient memory\.\n/m,
    );
    expect(job.last().output).toMatch(/^FailedScheduling: 0\/1 nodes are available: 1 Insufficient memory\.$/m);
    expect(job.last().output).toMatch(
      /\nPod could not be started: it was not ready within 5 seconds: .*Insufficient memory.*\n$/,
    );
    // Each thing once.
    expect(job.last().output.match(/^FailedScheduling/gm)).toHaveLength(1);
    await expectNothing();
  });

  it('says which volume it waits for', async () => {
    await addConfigMap(cluster, 'mounts', {
      pod: 'volumes: [{name: v, secret: {secretName: not-there}}]\n',
      mainContainer: 'volumeMounts: [{name: v, mountPath: /v}]\n',
    });
    const job = await begin({ settings: { podSpec: 'mounts', podStartTimeout: 6 } });
    expect(await job.executor.start()).toBe(1);
    expect(job.last().output).toMatch(/^FailedMount: .*not-there/m);
    expect(job.last().output).toMatch(
      /Pod could not be started: it was not ready within 6 seconds: .*FailedMount: .*not-there/,
    );
  });

  it('is of no use without the right to exec: its log says which', async () => {
    const rules = [
      { verbs: ['*'], resources: ['pods', 'secrets', 'events'] },
      { verbs: ['create'], resources: ['pods/exec'] },
    ];
    const { kubeconfig } = await cluster.account(rules);
    const job = await begin({ kubeconfig });
    expect(await job.executor.start()).toBe(1);
    expect(job.last().output).toMatch(
      /Pod is ready\.\nStarting a new bash session in the pod\.\.\.\nFailed to create shell in kubernetes container\n.*resources \["pods\/exec"\], verbs \["get"\]\.\n$/s,
    );
  });

  withFaults('is watched through a history that is too old, lost connections and an API that is busy', async () => {
    const release = api.faults.pods.holdStart();
    const job = await begin({});
    const starting = job.executor.start();
    await job.said('ContainerCreating');
    api.faults.expireHistory();
    api.faults.cutConnections();
    const lift = api.faults.requests.answer({ code: 429, retryAfter: 1, resource: 'pods', verb: 'get', times: 2 });
    release();
    expect(await starting, job.last().output).toBe(0);
    lift();
  });
});
