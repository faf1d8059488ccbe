import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCluster, type TestCluster } from '../kubernetes-api/index.ts';
import { needsDocker } from '../support/docker/index.ts';
import { needs } from '../support/tools.ts';
import { needsKustomize, podsOf, render, rightsOf, type Manifest } from './render.ts';

/** The manifests of deploy/kubernetes, as kubectl renders them. */

const root = join(import.meta.dirname, '../..');
const overlays = ['base', 'overlays/example', 'overlays/local-tasks', 'overlays/agent-job'];
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** What each method of our client asks of the API, read from its source. */
function rightsByMethod(): Map<string, string[]> {
  const rights = new Map<string, string[]>([
    // It reads the pod, watches it, and begins again.
    ['watchPod', ['pods: get', 'pods: watch']],
    // The WebSocket begins with a GET; Kubernetes asks for `create` from version 1.35 on.
    ['exec', ['pods/exec: create', 'pods/exec: get']],
    ['patchSecret', ['secrets: patch']],
  ]);
  const source = read('src/executors/kubernetes/client.ts');
  for (const method of source.split(/\n {2}(?=(?:async )?[a-z]\w*\()/)) {
    const name = /^(?:async )?(\w+)/.exec(method)?.[1] ?? '';
    for (const [, verb = '', resource = ''] of method.matchAll(/this\.#(create|get|list|delete)(?:<\w+>)?\('(\w+)'/g)) {
      // What was made by a request whose answer was lost is looked at.
      const verbs = verb === 'create' ? ['create', 'get'] : [verb];
      rights.set(name, [...(rights.get(name) ?? []), ...verbs.map((each) => `${resource}: ${each}`)]);
    }
  }
  return rights;
}

/** The rights that the sources of one executor need, in the form of `rightsOf`. */
function neededBy(directory: string): string[] {
  const methods = rightsByMethod();
  const own = [`${directory}.ts`, ...readdirSync(join(root, directory)).map((name) => join(directory, name))];
  // What waits for a pod is the same for both.
  const shared = ['pod-observer', 'wait-for-pod'].map((name) => `src/executors/kubernetes-executor/${name}.ts`);
  const text = [...own, ...shared].map(read).join('\n');
  const called = [...methods].filter(([name]) => new RegExp(String.raw`\.${name}\(`).test(text));
  const verbs = new Map<string, Set<string>>();
  for (const right of called.flatMap(([, rights]) => rights)) {
    const [resource = '', verb = ''] = right.split(': ');
    verbs.set(resource, (verbs.get(resource) ?? new Set()).add(verb));
  }
  return [...verbs].map(([resource, set]) => `${resource}: ${[...set].sort().join(' ')}`).sort();
}

describe.runIf(needsKustomize())('the manifests', () => {
  const rendered = new Map<string, Manifest[]>();
  beforeAll(() => {
    for (const name of overlays) rendered.set(name, render(name));
  });
  const manifests = (overlay: string): Manifest[] => rendered.get(overlay) ?? [];
  const find = (overlay: string, kind: string, name: string): Manifest | undefined =>
    manifests(overlay).find((each) => each.kind === kind && each.metadata.name.startsWith(name));

  it('give the agent precisely the rights that its executor uses', () => {
    expect(rightsOf(manifests('base'), 'semaphore-agent')).toEqual(neededBy('src/executors/kubernetes-executor'));
    expect(rightsOf(manifests('overlays/agent-job'), 'semaphore-agent')).toEqual(
      rightsOf(manifests('base'), 'semaphore-agent'),
    );
  });

  it('give the runner precisely the rights that its executor uses, no secrets among them', () => {
    expect(rightsOf(manifests('base'), 'semaphore-runner')).toEqual(neededBy('src/executors/kubernetes-engine'));
    expect(rightsOf(manifests('base'), 'semaphore-runner').join()).not.toContain('secrets');
  });

  it('give nobody else any: tasks have an account without rights and without a token', () => {
    for (const overlay of overlays) {
      const bindings = manifests(overlay).filter(({ kind }) => kind.endsWith('RoleBinding'));
      for (const { roleRef, subjects, metadata } of bindings)
        expect([roleRef?.name, subjects]).toEqual([
          metadata.name,
          [{ kind: 'ServiceAccount', name: metadata.name, namespace: 'semaphore' }],
        ]);
      expect(manifests(overlay).some(({ kind }) => kind.startsWith('Cluster'))).toBe(false);
    }
    expect(manifests('overlays/local-tasks').filter(({ kind }) => kind.startsWith('Role'))).toEqual([]);
    expect(find('base', 'ServiceAccount', 'semaphore-task')).toMatchObject({ automountServiceAccountToken: false });
  });

  it.each(overlays)(
    'of %s keep the rules of the pod security standard `restricted`, on a read-only file system',
    (overlay) => {
      const pods = podsOf(manifests(overlay));
      expect(pods.length).toBeGreaterThan(0);
      for (const { spec, container } of pods) {
        expect(spec.securityContext).toMatchObject({
          runAsNonRoot: true,
          runAsUser: 1001,
          runAsGroup: 0,
          seccompProfile: { type: 'RuntimeDefault' },
        });
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        const kinds = spec.volumes?.map((volume) => Object.keys(volume).find((key) => key !== 'name'));
        expect(new Set(kinds)).toEqual(new Set(['secret', 'emptyDir']));
        expect(spec.hostNetwork ?? spec.hostPID ?? spec.hostIPC).toBeUndefined();
        // Where the image's programs write.
        const writable = container.volumeMounts
          ?.filter(({ readOnly }) => readOnly !== true)
          .map(({ mountPath }) => mountPath);
        expect(writable).toEqual(expect.arrayContaining(['/tmp', '/home/semaphore']));
        expect(container.resources).toMatchObject({ requests: { cpu: '50m' }, limits: { memory: '512Mi' } });
      }
    },
  );

  it('keep secrets out of specifications: files, not variables', () => {
    for (const overlay of overlays) {
      for (const { container } of podsOf(manifests(overlay))) {
        const names = container.env?.map(({ name }) => name) ?? [];
        expect(names.filter((name) => name.endsWith('TOKEN') || name.endsWith('PASSWORD'))).toEqual([]);
        expect(container.env?.filter(({ valueFrom }) => valueFrom?.secretKeyRef)).toEqual([]);
      }
      const configuration = manifests(overlay).filter(({ kind }) => kind === 'ConfigMap');
      expect(
        configuration.flatMap(({ data }) => Object.keys(data ?? {})).filter((key) => key.endsWith('TOKEN')),
      ).toEqual([]);
    }
  });

  it('set variables that the programs know, and name maps and secrets that are there', () => {
    const known = new Set(
      ['docs/configuration.md', 'docs/agent-options.md', 'docs/agent.md'].flatMap(
        (page) => read(page).match(/SEMAPHORE_\w+/g) ?? [],
      ),
    );
    for (const overlay of overlays) {
      const all = manifests(overlay);
      const set = [
        ...podsOf(all).flatMap(({ container }) => container.env?.map(({ name }) => name) ?? []),
        ...all.filter(({ kind }) => kind === 'ConfigMap').flatMap(({ data }) => Object.keys(data ?? {})),
      ];
      expect(set.length).toBeGreaterThan(4);
      for (const name of set) if (name !== 'KUBERNETES_NAMESPACE') expect(known, name).toContain(name);
      for (const { spec, container } of podsOf(all)) {
        const maps = container.envFrom?.map(({ configMapRef }) => `ConfigMap ${configMapRef?.name}`) ?? [];
        const secrets = spec.volumes?.flatMap(({ secret }) => (secret ? `Secret ${secret.secretName}` : [])) ?? [];
        for (const needed of [...maps, ...secrets, `ServiceAccount ${spec.serviceAccountName}`])
          expect(all.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toContain(needed);
      }
    }
  });

  it('hand tasks in pods over at once, and let tasks in the runner’s pod end', () => {
    const [inPods] = podsOf([find('base', 'StatefulSet', 'semaphore-runner')].filter((each) => each !== undefined));
    expect(inPods?.container.lifecycle?.preStop?.exec?.command?.at(-1)).toContain('kill -USR2 1');
    expect(inPods?.spec.terminationGracePeriodSeconds).toBe(60);
    const [local] = podsOf(
      [find('overlays/local-tasks', 'StatefulSet', 'semaphore-runner')].filter((each) => each !== undefined),
    );
    expect(local?.container.lifecycle ?? undefined).toBeUndefined();
    const drain = Number(
      find('overlays/local-tasks', 'ConfigMap', 'semaphore-runner')?.data?.['SEMAPHORE_RUNNER_DRAIN_TIMEOUT_SECONDS'],
    );
    // Stopping and reporting takes up to 45 seconds: runner.stop_grace_seconds, and what the farewell may take.
    expect((local?.spec.terminationGracePeriodSeconds ?? 0) - drain).toBeGreaterThan(60);
    for (const overlay of ['base', 'overlays/local-tasks']) {
      const set = find(overlay, 'StatefulSet', 'semaphore-runner');
      expect(set?.spec?.volumeClaimTemplates?.map(({ metadata }) => metadata.name)).toEqual(['state']);
      expect(podsOf(set ? [set] : [])[0]?.container.volumeMounts).toContainEqual({
        mountPath: '/var/lib/semaphore',
        name: 'state',
      });
    }
    const agent = podsOf([find('base', 'Deployment', 'semaphore-agent')].filter((each) => each !== undefined))[0];
    const grace = Number(
      find('base', 'ConfigMap', 'semaphore-agent')?.data?.['SEMAPHORE_AGENT_INTERRUPTION_GRACE_PERIOD'],
    );
    expect((agent?.spec.terminationGracePeriodSeconds ?? 0) - grace).toBeGreaterThanOrEqual(60);
  });

  it('of the example scale, and use the image and the values that it names', () => {
    expect(find('overlays/example', 'StatefulSet', 'semaphore-runner')?.spec?.replicas).toBe(3);
    expect(find('overlays/example', 'Deployment', 'semaphore-agent')?.spec?.replicas).toBe(2);
    for (const { container } of podsOf(manifests('overlays/example')))
      expect(container.image).toBe('registry.example.com/semaphore:0.1.0');
    expect(find('overlays/example', 'ConfigMap', 'semaphore-runner')?.data).toMatchObject({
      SEMAPHORE_RUNNER_EXECUTOR_TYPE: 'k8s',
      SEMAPHORE_RUNNER_K8S_IMAGE: 'registry.example.com/semaphore:0.1.0',
    });
  });

  it('are one job of an agent where a controller starts them', () => {
    const job = find('overlays/agent-job', 'Job', 'semaphore-agent');
    expect(job?.spec).toMatchObject({ backoffLimit: 0, activeDeadlineSeconds: 86_400 });
    const [pod] = podsOf(job ? [job] : []);
    expect(pod?.spec).toMatchObject({ restartPolicy: 'Never', terminationGracePeriodSeconds: 300 });
    expect(pod?.container.args).toContain('--disconnect-after-job');
  });

  describe.runIf(needsDocker() && needs('openssl'))('taken by an API', () => {
    let cluster: TestCluster;
    beforeAll(async () => {
      cluster = await openCluster();
    });
    afterAll(() => cluster.close());

    const apply = (objects: readonly unknown[], ...options: readonly string[]) =>
      execa('kubectl', ['--kubeconfig', cluster.kubeconfig, 'apply', ...options, '-f', '-'], {
        input: objects
          .map((each) => JSON.stringify(each).replaceAll('"semaphore"', `"${cluster.namespace}"`))
          .join('\n'),
        all: true,
        reject: false,
      });

    it.each(overlays)('%s: all of it by a real one, pods and what they need by the stand-in', async (overlay) => {
      const plain = ['ConfigMap', 'Secret', 'ServiceAccount'];
      const others = manifests(overlay).filter(({ kind }) => ![...plain, 'Namespace'].includes(kind));
      const pods = podsOf(manifests(overlay)).map(({ owner, spec }) => ({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: `pod-of-${owner.kind.toLowerCase()}`, namespace: 'semaphore' },
        spec: Object.assign({}, spec, {
          volumes: [
            ...(spec.volumes ?? []),
            ...(owner.spec?.volumeClaimTemplates ?? []).map(({ metadata }) => ({ name: metadata.name, emptyDir: {} })),
          ],
        }),
      }));
      expect(pods.length).toBeGreaterThan(0);
      const made = await apply(manifests(overlay).filter(({ kind }) => plain.includes(kind)));
      expect(made.exitCode, made.all).toBe(0);
      // The real one of the tests is of before 1.21.
      const known = others.filter(({ kind }) => kind !== 'PodDisruptionBudget');
      const { exitCode, all } = await apply([...pods, ...(cluster.kind === 'real' ? known : [])], '--dry-run=server');
      expect(exitCode, all).toBe(0);
    });
  });
});
