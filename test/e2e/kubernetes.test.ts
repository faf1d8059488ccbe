import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { openKubernetes, type KubernetesClient } from '../../src/executors/kubernetes/index.ts';
import { systemClock } from '../../src/lib/index.ts';
import { openCluster, podRemovalMs, type Rule, type TestCluster } from '../kubernetes-api/index.ts';
import { ansibleImage, docker, dockerNames, ensureImages, needsDocker } from '../support/docker/index.ts';
import { createWorld, type World } from '../support/e2e/world.ts';
import { TestRepository } from '../support/git-repository.ts';
import { needs } from '../support/tools.ts';

/** Tasks in pods of the stand-in (or a real cluster), by way of the built program, the embedded server, and the rights of our own manifests. */

const long = `#!/usr/bin/env bash
for ((n = 1; n <= 300; n++)); do echo "line $n"; sleep 0.02; done
`;

const polite = `#!/usr/bin/env bash
trap 'echo "tidied up"; exit 3' TERM
(trap '' TERM; while :; do sleep 1; done) &
echo at work
while :; do sleep 0.05; done
`;

const play = `- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.command: cat /etc/hostname
      register: host
    - ansible.builtin.debug:
        msg: "in {{ host.stdout }} with {{ word }}"
`;

const files = { 'long.sh': long, 'polite.sh': polite, 'site.yml': play };
const bash = (id: number, playbook: string) => ({
  id,
  name: playbook,
  app: 'bash',
  playbook,
  repository: 'main',
  allow_parallel_tasks: true,
});
const project = {
  templates: [
    bash(1, 'long.sh'),
    bash(2, 'polite.sh'),
    {
      id: 3,
      name: 'Play',
      app: 'ansible',
      playbook: 'site.yml',
      repository: 'main',
      inventory: 'here',
      variable_groups: ['g'],
    },
  ],
  inventories: [{ name: 'here', type: 'static', inventory: 'localhost ansible_connection=local' }],
  variable_groups: [{ name: 'g', variables: {}, secrets: [{ name: 'word', value: 'secret-word-71' }] }],
};

const manifest = readFileSync(join(import.meta.dirname, '../../deploy/kubernetes/base/runner/rbac.yaml'), 'utf8');
const [role] = parseAllDocuments(manifest).map((document) => document.toJS() as { rules: Rule[] });
const rules = role?.rules ?? [];

describe.runIf(needsDocker() && needs('openssl'))('a runner whose tasks run in pods', { timeout: 480_000 }, () => {
  const name = dockerNames('k8s-e2e');
  const image = `${name}:ansible`;
  let cluster: TestCluster;
  let client: KubernetesClient;
  let kubeconfig: string;

  beforeAll(async () => {
    await ensureImages(ansibleImage);
    await docker(['tag', ansibleImage, image]);
    cluster = await openCluster();
    client = await openKubernetes({ ...cluster, env: {}, clock: systemClock });
    ({ kubeconfig } = await cluster.account(rules));
  }, 600_000);
  afterAll(() => cluster.close(), 2 * podRemovalMs);

  const allPods = () => client.listPods('semaphoreui.com/task-id');
  const podNames = async (): Promise<string[]> => (await allPods()).map(({ metadata }) => metadata.name);

  async function world(
    k8s: Readonly<Record<string, unknown>> = {},
    runner: Readonly<Record<string, unknown>> = {},
  ): Promise<World> {
    // Pods have a network of their own, without the loopback that git could be served on: a directory of this machine is copied.
    const repository = new TestRepository();
    repository.commit(files);
    const made = await createWorld({
      files: {},
      project: { ...project, repositories: [{ name: 'main', git_url: repository.work }] },
      runner: {
        stop_grace_seconds: 5,
        executor: {
          type: 'k8s',
          k8s: {
            kubeconfig,
            namespace: cluster.namespace,
            image,
            helper_image: image,
            poll_interval_seconds: 1,
            cleanup_grace_seconds: 1,
            ...k8s,
          },
        },
        ...runner,
      },
    });
    await made.startServer();
    return made;
  }

  async function finished({ api: server }: World, id: number) {
    const { status } = await server.waitUntilFinished(id, 120_000);
    return { status, log: await server.log(id) };
  }

  async function expectNoPods(): Promise<void> {
    await expect.poll(podNames, { timeout: podRemovalMs }).toEqual([]);
    // Those of service accounts are the cluster's own.
    expect((await client.listSecrets('semaphoreui.com/runner')).length).toBe(0);
  }

  it('runs Ansible in one, with the rights of deploy/kubernetes, and nothing secret in it', async () => {
    const place = await world();
    place.startRunner();
    const seen: string[] = [];
    const watch = setInterval(() => void allPods().then((pods) => seen.push(JSON.stringify(pods))), 200);
    const id = await place.api.startTask(3);
    const { log, status } = await finished(place, id);
    clearInterval(watch);
    expect({ status, log: log.join('\n') }).toMatchObject({ status: 'success' });
    expect(log.join('\n')).toMatch(new RegExp(`in semaphore-task-${id}-\\w+ with \\*\\*\\*`));
    const all = seen.join('\n');
    expect(all).toContain(`"semaphoreui.com/task-id":"${id}"`);
    expect(all).not.toContain('secret-word-71');
    await expectNoPods();
  });

  it('that is left to the next one by SIGUSR2, or was killed, goes on: the log is complete', async () => {
    const place = await world();
    for (const signal of ['SIGUSR2', 'SIGKILL'] as const) {
      const runner = place.startRunner();
      const id = await place.api.startTask(1);
      await place.api.waitForLine(id, 'line 20');
      runner.child.kill(signal);
      await place.end(runner);
      const next = place.startRunner();
      const { log, status } = await finished(place, id);
      expect(status, next.output()).toBe('success');
      expect(log.filter((line) => line.startsWith('line '))).toEqual(
        Array.from({ length: 300 }, (_, index) => `line ${index + 1}`),
      );
      await expectNoPods();
      next.child.kill('SIGTERM');
      expect(await place.end(next)).toMatchObject({ code: 0 });
    }
  });

  it('that was killed and has lost its records leaves no pod after its next start', async () => {
    const place = await world();
    const runner = place.startRunner();
    const id = await place.api.startTask(2);
    await place.api.waitForLine(id, 'at work');
    runner.child.kill('SIGKILL');
    await place.end(runner);
    expect(await podNames()).toHaveLength(1);
    const work = join(place.directory, 'work');
    for (const entry of readdirSync(work))
      if (entry.startsWith('.runner-')) rmSync(join(work, entry), { recursive: true });
    const next = place.startRunner();
    await expectNoPods();
    await expect.poll(() => next.output()).toContain('Removed the containers that an earlier run left');
  });

  it('stops a task with the grace of its tool, and tells of a pod that somebody has deleted', async () => {
    const place = await world();
    place.startRunner();
    const id = await place.api.startTask(2);
    await place.api.waitForLine(id, 'at work');
    await place.api.stopTask(id);
    const stopped = await finished(place, id);
    expect([stopped.status, stopped.log.slice(-2)]).toEqual(['stopped', ['tidied up', 'Task was stopped.']]);
    await expectNoPods();

    const other = await place.api.startTask(2);
    await place.api.waitForLine(other, 'at work');
    const [pod = ''] = await podNames();
    await client.deletePod(pod, { graceSeconds: 1 });
    const { log, status } = await finished(place, other);
    expect(status).toBe('error');
    expect(log.at(-1)).toMatch(/pod .*was deleted by somebody else, or (its node is drained|with its node)/);
    await expectNoPods();
  });

  it('says which right is missing', async () => {
    const { kubeconfig: poor } = await cluster.account([{ resources: ['pods'], verbs: ['list', 'get', 'delete'] }]);
    const place = await world({ kubeconfig: poor });
    place.startRunner();
    const { log, status } = await finished(place, await place.api.startTask(1));
    expect(status).toBe('error');
    expect(log.at(-1)).toMatch(
      /Cannot make the pod of the task in namespace [\w-]+: pods is forbidden: .* cannot create resource "pods"/,
    );
    expect(log.at(-1)).toContain('verbs ["create"]');
    await expectNoPods();
  });
});
