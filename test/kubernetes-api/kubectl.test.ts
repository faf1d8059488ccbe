import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needsDocker } from '../support/docker/index.ts';
import { needs } from '../support/tools.ts';
import { startKubernetesApi, type KubernetesApi } from './index.ts';

describe.runIf(needsDocker() && needs('kubectl') && needs('openssl'))('kubectl with the stand-in', () => {
  let api: KubernetesApi;
  beforeAll(async () => {
    api = await startKubernetesApi();
  });
  afterAll(() => api.close());

  const kubectl = async (args: readonly string[], input = '') => {
    const { stdout, stderr, exitCode } = await execa('kubectl', ['--kubeconfig', api.kubeconfig, ...args], {
      input,
      reject: false,
    });
    return { stdout, stderr, exitCode };
  };

  it('makes a pod, runs commands in it, reads its log, describes and deletes it', async () => {
    const container = {
      name: 'main',
      image: 'semaphore-test/busybox',
      imagePullPolicy: 'IfNotPresent',
      command: ['sh', '-c', 'echo hello; sleep 1000'],
    };
    const spec = { restartPolicy: 'Never', terminationGracePeriodSeconds: 1, containers: [container] };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'first' }, spec };
    expect(await kubectl(['apply', '-f', '-'], JSON.stringify(pod))).toMatchObject({ stdout: 'pod/first created' });
    await kubectl(['wait', '--for=condition=Ready', 'pod/first', '--timeout=60s']);
    expect(await kubectl(['logs', 'first'])).toMatchObject({ stdout: 'hello' });
    expect(await kubectl(['exec', 'first', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'])).toEqual({
      stdout: 'out',
      stderr: 'err\ncommand terminated with exit code 7',
      exitCode: 7,
    });
    expect(await kubectl(['exec', '-i', 'first', '--', 'cat'], 'in')).toMatchObject({ stdout: 'in', exitCode: 0 });
    expect((await kubectl(['describe', 'pod', 'first'])).stdout).toMatch(/Started\s.*Started container main/);
    expect(await kubectl(['delete', 'pod', 'first'])).toMatchObject({ stdout: 'pod "first" deleted' });
    expect((await kubectl(['get', 'pods'])).stderr).toContain('No resources found');
  });
});
