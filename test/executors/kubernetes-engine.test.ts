import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { KubernetesExecutorConfig } from '../../src/config/index.ts';
import type { ContainerEngine, ExecRequest, TaskContainers } from '../../src/executors/containers/engine.ts';
import { createKubernetesEngine } from '../../src/executors/kubernetes-engine.ts';
import { openKubernetes, type KubernetesClient } from '../../src/executors/kubernetes/index.ts';
import { systemClock } from '../../src/lib/index.ts';
import {
  openCluster,
  podRemovalMs,
  realClusterVariable,
  startKubernetesApi,
  type KubernetesApi,
  type TestCluster,
} from '../kubernetes-api/index.ts';
import { busyboxImage, debianImage, docker, dockerNames, ensureImages, needsDocker } from '../support/docker/index.ts';
import { needs } from '../support/tools.ts';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 2 * podRemovalMs });

/**
 * Runner tasks in pods of the stand-in, whose containers are real; or of a real cluster (docs/testing-kubernetes.md). The same promises as
 * `docker-engine.test.ts`.
 */

/** For what needs faults on request. */
const isStandIn = !process.env[realClusterVariable];

const never = new AbortController().signal;

async function shell(
  containers: TaskContainers,
  script: string,
  more: Partial<ExecRequest> & { role?: 'helper' } = {},
) {
  const printed: Buffer[] = [];
  const result = await containers.exec(more.role ?? 'build', {
    argv: ['sh', '-c', script],
    onStdout: (bytes) => printed.push(bytes),
    ...more,
  });
  return { result, stdout: Buffer.concat(printed).toString('utf8') };
}

describe.runIf(needsDocker() && needs('openssl'))('Kubernetes for runner tasks', () => {
  const owner = dockerNames('k8s-engine');
  // Of the tag `latest` Kubernetes pulls again.
  const image = `${owner}:debian`;
  let cluster: TestCluster;
  let client: KubernetesClient;
  let count = 0;
  const newName = () => `task-${(count += 1)}`;

  const engineWith = (changes: Partial<KubernetesExecutorConfig> = {}, of = owner): ContainerEngine =>
    createKubernetesEngine({
      config: {
        kubeconfig: cluster.kubeconfig,
        namespace: cluster.namespace,
        image,
        helperImage: image,
        serviceAccount: 'default',
        pullSecrets: [],
        pollIntervalMs: 200,
        cleanupGraceMs: 1000,
        ...changes,
      },
      owner: of,
      env: {},
    });

  interface Opened {
    engine?: ContainerEngine;
    name?: string;
    image?: string;
    signal?: AbortSignal;
    say?: (line: string) => void;
    resumed?: boolean;
  }
  async function opened({
    engine = engineWith(),
    name = newName(),
    image: chosen,
    ...rest
  }: Opened = {}): Promise<TaskContainers> {
    const options = { signal: never, say: () => undefined, resumed: false, ...rest };
    const containers = await engine.open({ name, taskId: 7, image: chosen }, options);
    if (!containers) throw new Error('the pod is gone');
    return containers;
  }

  const podOf = (name: string) => client.getPod(name);

  function standIn(): KubernetesApi {
    if (!cluster.standIn) throw new Error('the real cluster has no faults on request');
    return cluster.standIn;
  }

  beforeAll(async () => {
    await ensureImages(busyboxImage, debianImage);
    await docker(['tag', debianImage, image]);
    cluster = await openCluster();
    const { kubeconfig, namespace } = cluster;
    client = await openKubernetes({ env: {}, kubeconfig, namespace, clock: systemClock });
  }, 600_000);
  afterAll(() => cluster.close());

  describe('a pod of one image', () => {
    let containers: TaskContainers;
    const saidAtStart: string[] = [];
    beforeAll(async () => {
      containers = await opened({ say: (line) => saidAtStart.push(line) });
    });
    afterAll(() => containers.remove(0));

    it('has the labels of the task, two containers with two volumes between them, and nothing secret', async () => {
      await shell(containers, 'read -r secret; echo "$secret" > /secrets/c', {
        input: Buffer.from('not for the API\n'),
      });
      // The real cluster of the tests has no DNS, and says so for each pod.
      expect(saidAtStart.filter((line) => !line.startsWith('MissingClusterDNS'))).toEqual([]);
      const pod = await podOf(containers.name);
      expect(pod?.metadata.labels).toEqual({
        'semaphoreui.com/task-id': '7',
        'semaphoreui.com/runner': owner,
        'semaphoreui.com/pod-name': containers.name,
      });
      expect(pod?.spec).toMatchObject({
        restartPolicy: 'Never',
        serviceAccountName: 'default',
        automountServiceAccountToken: false,
        terminationGracePeriodSeconds: 1,
        volumes: [
          { name: 'workspace', emptyDir: {} },
          { name: 'secrets', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } },
        ],
      });
      expect(pod?.spec.containers.map(({ name, env }) => [name, env])).toEqual([
        ['helper', undefined],
        ['build', undefined],
      ]);
      expect(JSON.stringify(pod)).not.toContain('not for the API');
    });

    it('shares workspace and secrets, the latter in memory and private', async () => {
      await shell(containers, 'echo from build > /workspace/a; echo secret > /secrets/b');
      const script = 'cat /workspace/a /secrets/b; stat -c "%u %a" /secrets; grep -c " /secrets tmpfs " /proc/mounts';
      const { stdout } = await shell(containers, script, { role: 'helper' });
      expect(stdout).toBe('from build\nsecret\n0 700\n1\n');
    });

    it('tells the exit codes of commands, and gives their standard error', async () => {
      const codes = ['exit 0', 'exit 1', 'exit 125', 'exit 126', 'exit 127', 'kill -9 $$'];
      const results = await Promise.all(codes.map(async (script) => (await shell(containers, script)).result));
      expect(results.map((result) => (result.kind === 'exited' ? result.code : result))).toEqual([
        0, 1, 125, 126, 127, 137,
      ]);
      const unknown = await containers.exec('build', { argv: ['/no/such/command'] });
      // What an engine says is 126 with Docker, 127 from the reason elsewhere.
      expect(unknown).toMatchObject({ kind: 'exited', code: isStandIn ? 127 : 126 });
      expect((await shell(containers, 'echo why >&2; exit 3')).result).toEqual({
        kind: 'exited',
        code: 3,
        stderr: 'why\n',
      });
      const { result } = await shell(containers, 'head -c 100000 /dev/zero >&2');
      expect(result).toMatchObject({ kind: 'exited', stderr: '\0'.repeat(16 * 1024) });
    });

    it('gives a command its standard input and every byte that it prints', async () => {
      const bytes = Buffer.alloc(300_000, 'ä\0\n');
      const printed: Buffer[] = [];
      const result = await containers.exec('build', {
        argv: ['head', '-c', String(bytes.length)],
        input: bytes,
        onStdout: (part) => printed.push(part),
      });
      expect(result).toEqual({ kind: 'exited', code: 0, stderr: '' });
      expect(Buffer.concat(printed).equals(bytes)).toBe(true);
    });

    const waiting = (file: string) =>
      `echo begun; while [ ! -e /workspace/go ]; do sleep 0.1; done; echo over > /workspace/${file}`;

    it('goes on with a command that nobody listens to any more', async () => {
      const abort = new AbortController();
      const listening = shell(containers, waiting('first'), { onStdout: () => abort.abort(), signal: abort.signal });
      expect((await listening).result).toEqual({ kind: 'dropped', reason: 'nobody waits for it any more' });
      const script = 'touch /workspace/go; while [ ! -e /workspace/first ]; do sleep 0.1; done; cat /workspace/first';
      expect((await shell(containers, script)).stdout).toBe('over\n');
    });

    it.runIf(isStandIn)('goes on with a command whose connection broke', async () => {
      await shell(containers, 'rm -f /workspace/go');
      const cut = await shell(containers, waiting('second'), { onStdout: () => standIn().faults.cutExecs() });
      expect(cut.result.kind).toBe('dropped');
      const script = 'touch /workspace/go; while [ ! -e /workspace/second ]; do sleep 0.1; done; cat /workspace/second';
      expect((await shell(containers, script)).stdout).toBe('over\n');
    });

    it('is taken up by a later runner, and not made anew', async () => {
      await shell(containers, 'echo kept > /workspace/kept');
      const later = await opened({ name: containers.name, resumed: true });
      expect((await shell(later, 'cat /workspace/kept')).stdout).toBe('kept\n');
    });

    it('buries processes that have lost their parents', async () => {
      await shell(containers, '(sleep 0.1 &) ; exit 0');
      const zombies =
        'n=1; while [ "$n" -gt 0 ]; do n=$(grep -l "^State:.Z" /proc/[0-9]*/status 2>/dev/null | wc -l); done; echo none';
      expect((await shell(containers, zombies)).stdout).toBe('none\n');
    });

    it.runIf(isStandIn)('says that the API is away, while the pod is not taken for gone', async () => {
      const lift = await standIn().faults.refuseConnections();
      expect((await shell(containers, 'echo x')).result.kind).toBe('dropped');
      const abort = new AbortController();
      const said: string[] = [];
      const looking = opened({
        name: containers.name,
        resumed: true,
        signal: abort.signal,
        say: (line) => {
          said.push(line);
          void lift();
        },
      });
      expect((await shell(await looking, 'echo there')).stdout).toBe('there\n');
      expect(said).toHaveLength(1);
      expect(said[0]).toMatch(/^Waiting for the cluster: /);
    });
  });

  it('gives both containers the user of the build image, and that user a name, learned once', async () => {
    const other = `${owner}:user`;
    await docker(['build', '--tag', other, '-'], { input: `FROM ${busyboxImage}\nUSER 4242:4243\n` });
    const engine = engineWith();
    const containers = await opened({ engine, image: other });
    await shell(containers, 'echo mine > /workspace/a; umask 077; echo secret > /secrets/b');
    // Some versions of the kubelet give a container the group of the image's user, some give it 0.
    const { stdout: ids } = await shell(containers, 'id -u; id -g');
    expect(ids).toMatch(/^4242\n(4243|0)\n$/);
    const script = 'id -u; id -g; id -un; cat /workspace/a /secrets/b; echo more >> /workspace/a';
    expect((await shell(containers, script, { role: 'helper' })).stdout).toBe(`${ids}semaphore\nmine\nsecret\n`);
    expect((await shell(containers, 'id -un; cat /workspace/a; grep -c root /etc/passwd')).stdout).toBe(
      'semaphore\nmine\nmore\n1\n',
    );
    await containers.remove(0);
    // Known from now on: the pod is the one that was made first.
    const again = await opened({ engine, image: other });
    expect((await podOf(again.name))?.spec.containers[0]?.securityContext).toEqual({
      runAsUser: 4242,
      runAsGroup: Number(ids.split('\n')[1]),
    });
    expect((await shell(again, 'id -un', { role: 'helper' })).stdout).toBe('semaphore\n');
    await again.remove(0);
  });

  it('ends what runs with TERM, the rest with KILL after the grace, and leaves nothing', async () => {
    const containers = await opened();
    const stubborn = shell(containers, 'trap "" TERM; while :; do sleep 1; done');
    let stopping = '';
    const polite = new Promise<void>((resolve) => {
      void containers.exec('helper', {
        argv: ['bash', '-c', 'trap "echo bye; exit" TERM; echo ready; while :; do sleep 0.1; done'],
        onStdout: (bytes) => {
          stopping += bytes.toString();
          resolve();
        },
      });
    });
    await polite;
    await containers.remove(2000);
    expect(stopping).toBe('ready\nbye\n');
    // Either the process was seen to be killed, or its container to be gone.
    expect(['gone', 'exited', 'dropped']).toContain((await stubborn).result.kind);
    expect(await podOf(containers.name)).toBeUndefined();
    await containers.remove(1000);
    expect((await shell(containers, 'echo x')).result).toEqual({
      kind: 'gone',
      reason: 'the pod was deleted by somebody else, or with its node',
    });
    const later = await engineWith().open(
      { name: containers.name, taskId: 7, image: undefined },
      { signal: never, say: () => undefined, resumed: true },
    );
    expect(later).toBeUndefined();
  });

  it.runIf(isStandIn)('takes a pod from the list by force whose node does not say that it has ended', async () => {
    const containers = await opened();
    const lift = standIn().faults.pods.holdDeletion(containers.name);
    vi.useFakeTimers({ toFake: ['Date'], shouldAdvanceTime: false });
    try {
      const removing = containers.remove(0);
      const timer = setInterval(() => vi.setSystemTime(Date.now() + 30_000), 100);
      await removing.finally(() => clearInterval(timer));
    } finally {
      vi.useRealTimers();
      lift();
    }
    expect(await podOf(containers.name)).toBeUndefined();
  });

  it('replaces what a killed runner had made', async () => {
    const first = await opened();
    await shell(first, 'echo old > /workspace/old');
    const again = await opened({ name: first.name });
    expect((await shell(again, 'ls /workspace')).stdout).toBe('');
    await again.remove(0);
  });

  it.runIf(isStandIn)('removes what it has made when the task is stopped while nothing has room for it', async () => {
    const name = newName();
    const lift = standIn().faults.pods.refuseScheduling('0/1 nodes are available: 1 Insufficient cpu.', name);
    const abort = new AbortController();
    const said: string[] = [];
    const stopped = opened({ name, signal: abort.signal, say: (line) => said.push(line) });
    const end = expect(stopped).rejects.toThrow('the task is to stop');
    await expect.poll(() => said.join(), { timeout: 30_000 }).toContain('Insufficient cpu');
    abort.abort(new Error('the task is to stop'));
    await end;
    lift();
    expect(await podOf(name)).toBeUndefined();
    expect(new Set(said).size).toBe(said.length);
  });

  it('sweeps what this runner has left, and nothing of another one, or of a task that is known', async () => {
    const [mine, other] = [engineWith(), engineWith({}, 'another-runner')];
    const [kept, left, foreign] = await Promise.all([
      opened({ engine: mine }),
      opened({ engine: mine }),
      opened({ engine: other }),
    ]);
    expect(await mine.sweep(new Set([kept.name]))).toEqual([left.name]);
    const there = await Promise.all([kept, left, foreign].map(({ name }) => podOf(name)));
    expect(there.map((pod) => pod !== undefined)).toEqual([true, false, true]);
    await Promise.all([kept.remove(0), foreign.remove(0)]);
    expect(await mine.sweep(new Set())).toEqual([]);
  });

  describe('says why', () => {
    it('an image cannot be had, and leaves nothing', async () => {
      const name = newName();
      const error = await opened({ name, image: '127.0.0.1:1/none:1' }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        name: 'UserError',
        message: expect.stringMatching(
          /^The pod of the task cannot be used: the image of container 'build' cannot be pulled: /,
        ) as string,
        hint: expect.stringContaining('runner.executor.k8s.pull_secrets') as string,
      });
      await expect.poll(() => podOf(name), { timeout: podRemovalMs }).toBeUndefined();
    });

    it('the account may not make pods, or run anything in them', async () => {
      const limited = async (verbs: Record<string, string[]>) => {
        const rules = Object.entries(verbs).map(([resource, allowed]) => ({ resources: [resource], verbs: allowed }));
        return (await cluster.account(rules)).kubeconfig;
      };
      const none = engineWith({ kubeconfig: await limited({}) });
      await expect(none.check()).rejects.toMatchObject({
        message: expect.stringMatching(
          /^Cannot use Kubernetes: pods is forbidden: .* cannot list resource "pods"/,
        ) as string,
        hint: expect.stringContaining('resources ["pods"], verbs ["list"]') as string,
      });
      const reader = engineWith({ kubeconfig: await limited({ pods: ['list', 'get', 'delete'] }) });
      await reader.check();
      await expect(opened({ engine: reader })).rejects.toMatchObject({
        message: expect.stringMatching(
          /^Cannot make the pod of the task in namespace [\w-]+: pods is forbidden/,
        ) as string,
        hint: expect.stringContaining('verbs ["create"]') as string,
      });
      const maker = engineWith({ kubeconfig: await limited({ pods: ['list', 'get', 'delete', 'create', 'watch'] }) });
      await expect(opened({ engine: maker })).rejects.toMatchObject({
        message: expect.stringMatching(
          /^Cannot run anything in the (build|helper) container of the task: .*pods\/exec/s,
        ) as string,
      });
    });

    it('there is no cluster, no file, no namespace, no service account', async () => {
      await expect(engineWith({ kubeconfig: '/no/such/file' }).check()).rejects.toThrow(
        'Cannot use Kubernetes: the kubeconfig file /no/such/file cannot be used: there is no such file',
      );
      await expect(engineWith({ kubeconfig: undefined }).check()).rejects.toThrow(/^Cannot use Kubernetes: /);
      await expect(opened({ engine: engineWith({ namespace: 'nowhere' }) })).rejects.toThrow(/namespace.*nowhere/);
      await expect(opened({ engine: engineWith({ serviceAccount: 'nobody' }) })).rejects.toThrow(/nobody/);
    });

    it.runIf(isStandIn)('a pod is gone: deleted under the task', async () => {
      const containers = await opened();
      expect(await containers.hits?.()).toEqual([]);
      await shell(containers, 'echo used');
      const running = shell(containers, 'sleep 100');
      expect(await containers.hits?.()).toEqual([]);
      const lift = standIn().faults.pods.holdDeletion(containers.name);
      const removing = engineWith().find(containers.name).remove(0);
      const sentence =
        'Meanwhile something has become of the pod of this task: the pod was deleted by somebody else, or its node is drained.';
      await expect.poll(() => containers.hits?.(), { timeout: 30_000 }).toEqual([sentence]);
      lift();
      await Promise.all([removing, running]);
      expect((await shell(containers, 'echo x')).result).toMatchObject({ kind: 'gone' });
    });
  });

  it.runIf(isStandIn)('works with a server of before 1.30, which cannot end the input of a process', async () => {
    const old = await startKubernetesApi({
      namespaces: [cluster.namespace],
      version: 'v1.20.2',
      execProtocols: ['v4.channel.k8s.io'],
    });
    try {
      const engine = engineWith({ kubeconfig: old.kubeconfig });
      const containers = await opened({ engine });
      const { stdout, result } = await shell(containers, 'head -c 5', { input: Buffer.from('exact') });
      expect([stdout, result]).toEqual(['exact', { kind: 'exited', code: 0, stderr: '' }]);
      await containers.remove(0);
    } finally {
      await old.close();
    }
  });
});
