import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { busyboxImage, needsDocker } from '../support/docker/index.ts';
import { needs } from '../support/tools.ts';
import { openCluster, type TestCluster } from './index.ts';

/**
 * kubectl, as a client that was not made for us. It runs processes over WebSockets since 1.30, which is all that the stand-in has; Debian's
 * own is 1.20.
 */
describe.runIf(needsDocker() && needs('kubectl') && needs('openssl'))('kubectl', () => {
  let cluster: TestCluster;
  let image: string;
  let minor = 0;
  beforeAll(async () => {
    cluster = await openCluster();
    image = await cluster.image(busyboxImage);
    const { stdout } = await execa('kubectl', ['version', '--client', '--output=json']);
    const { clientVersion } = JSON.parse(stdout) as { clientVersion: { gitVersion: string } };
    minor = Number(/^v1\.(\d+)/.exec(clientVersion.gitVersion)?.[1] ?? 0);
  }, 120_000);
  afterAll(() => cluster.close(), 180_000);

  const run = async (kubeconfig: string, args: readonly string[], input = '') => {
    const { stdout, stderr, exitCode } = await execa('kubectl', ['--kubeconfig', kubeconfig, ...args], {
      input,
      reject: false,
    });
    return { stdout, stderr, exitCode };
  };
  const kubectl = (args: readonly string[], input = '') => run(cluster.kubeconfig, args, input);

  it('makes a pod, runs commands in it, reads its log, describes and deletes it', async ({ skip }) => {
    const container = { name: 'main', image, command: ['sh', '-c', 'echo hello; sleep 1000'] };
    const spec = { restartPolicy: 'Never', terminationGracePeriodSeconds: 1, containers: [container] };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'first' }, spec };
    expect(await kubectl(['create', '--validate=false', '-f', '-'], JSON.stringify(pod))).toMatchObject({
      stdout: 'pod/first created',
    });
    await kubectl(['wait', '--for=condition=Ready', 'pod/first', '--timeout=60s']);
    expect((await kubectl(['get', 'pods'])).stdout).toMatch(
      /^NAME +READY +STATUS +RESTARTS +AGE\nfirst +1\/1 +Running +0 /,
    );
    expect(await kubectl(['logs', 'first'])).toMatchObject({ stdout: 'hello' });
    // Events come when they come.
    await expect
      .poll(async () => (await kubectl(['describe', 'pod', 'first'])).stdout, { timeout: 30_000 })
      .toMatch(/Started\s.*Started container main/);
    const wanted = cluster.kind === 'real' || minor >= 30;
    if (wanted) {
      expect(await kubectl(['exec', 'first', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'])).toEqual({
        stdout: 'out',
        stderr: expect.stringMatching(/^err\n.*exit code 7$/s),
        exitCode: 7,
      });
      expect(await kubectl(['exec', '-i', 'first', '--', 'cat'], 'in')).toMatchObject({ stdout: 'in', exitCode: 0 });
    }
    expect((await kubectl(['delete', 'pod', 'first'])).stdout).toContain('pod "first" deleted');
    expect((await kubectl(['get', 'pods'])).stderr).toContain('No resources found');
    if (!wanted) skip(`kubectl 1.${minor} has no WebSockets: it runs nothing in the stand-in`);
  });

  it('applies twice: what is new, and what has changed', async ({ skip }) => {
    if (cluster.kind === 'stand-in' && minor < 27)
      skip(`kubectl 1.${minor} reads an OpenAPI that the stand-in has not`);
    const map = (data: object) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'map' }, data });
    const apply = async (data: object) => (await kubectl(['apply', '-f', '-'], JSON.stringify(map(data)))).stdout;
    expect(await apply({ a: '1', b: '2' })).toBe('configmap/map created');
    expect(await apply({ a: '1', b: '2' })).toBe('configmap/map unchanged');
    expect(await apply({ a: '3' })).toBe('configmap/map configured');
    expect((await kubectl(['get', 'configmap', 'map', '--output=jsonpath={.data}'])).stdout).toBe('{"a":"3"}');
  });

  it('is told what an account may not do', async () => {
    const { kubeconfig, user } = await cluster.account([{ verbs: ['get', 'list'], resources: ['secrets'] }]);
    expect((await run(kubeconfig, ['get', 'secrets'])).exitCode).toBe(0);
    const { stderr, exitCode } = await run(kubeconfig, ['get', 'pods']);
    expect({ stderr, exitCode }).toEqual({
      stderr: `Error from server (Forbidden): pods is forbidden: User "${user}" cannot list resource "pods" in API group "" in the namespace "${cluster.namespace}"`,
      exitCode: 1,
    });
  });
});
