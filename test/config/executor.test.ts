import { describe, expect, it } from 'vitest';
import { failureOf, loadText } from './support.ts';

function loadDocker(docker: Record<string, unknown>, type = 'docker') {
  return loadText(JSON.stringify({ runner: { executor: { type, docker } } }));
}

describe('runner.executor', () => {
  it('has the defaults of the original, also for empty texts and zeros', async () => {
    const blank = {
      docker: { image: '', helper_image: '', network: '', pull_policy: '', memory_limit: '', host: '', cert_path: '' },
      k8s: {
        image: '',
        namespace: '',
        service_account: '',
        pull_secrets: '',
        kubeconfig: '',
        poll_interval_seconds: 0,
      },
    };
    const texts = ['{}', JSON.stringify({ runner: { executor: blank } })];
    for (const { config, warnings } of await Promise.all(texts.map((text) => loadText(text)))) {
      expect(config.runner.executor).toEqual({
        type: 'local',
        docker: {
          host: undefined,
          tlsVerify: false,
          certPath: undefined,
          image: 'semaphoreui/job:latest',
          helperImage: 'semaphoreui/helper:latest',
          network: 'bridge',
          pullPolicy: 'if-not-present',
          cpuLimit: undefined,
          memoryLimit: undefined,
          memoryLimitBytes: undefined,
          pollIntervalMs: 2000,
          cleanupGraceMs: 30_000,
          privileged: false,
        },
        k8s: {
          kubeconfig: undefined,
          namespace: 'semaphore',
          image: 'semaphoreui/job:latest',
          helperImage: 'semaphoreui/helper:latest',
          serviceAccount: 'default',
          pullSecrets: [],
          pollIntervalMs: 3000,
          cleanupGraceMs: 30_000,
        },
      });
      expect(warnings).toEqual([]);
    }
  });

  it('refuses a type that is none', async () => {
    expect(await failureOf(loadDocker({}, 'podman'))).toContain(
      'runner.executor.type is "podman"; expected one of local, docker, k8s',
    );
  });

  it.each(['docker.example.com', 'http://docker:2375', 'tcp://', 'unix://var/run/docker.sock', 'unix://'])(
    'refuses %s as the host of an engine',
    async (host) => {
      const failure = await failureOf(loadDocker({ host }));
      expect(failure).toMatch(/^ConfigError: .*runner\.executor\.docker\.host is .*; expected /);
      expect(failure).toContain('| For example unix:///var/run/docker.sock, tcp://docker.example.com:2376');
    },
  );

  it.each([
    'unix:///var/run/docker.sock',
    'tcp://127.0.0.1:2375',
    'tcp://[::1]:2376',
    'npipe:////./pipe/docker_engine',
    'ssh://me@there',
  ])('takes %s as the host of an engine', async (host) => {
    const { config, warnings } = await loadDocker({ host });
    expect(config.runner.executor.docker.host).toBe(host);
    expect(warnings).toEqual([]);
  });

  it('reads memory as Docker does, and refuses what Docker would', async () => {
    const bytes = async (memory_limit: string) =>
      (await loadDocker({ memory_limit })).config.runner.executor.docker.memoryLimitBytes;
    expect([
      await bytes('2g'),
      await bytes('512m'),
      await bytes('1.5GiB'),
      await bytes('8388608'),
      await bytes('0'),
    ]).toEqual([2 * 1024 ** 3, 512 * 1024 ** 2, 1.5 * 1024 ** 3, 8_388_608, undefined]);
    expect(await failureOf(loadDocker({ memory_limit: '5m' }))).toContain('memory_limit is "5m"; expected at least 6m');
    expect(await failureOf(loadDocker({ memory_limit: 'two' }))).toContain(
      'memory_limit is "two"; expected text such as "2g"',
    );
    expect(await failureOf(loadDocker({ cpu_limit: -1 }))).toContain(
      'cpu_limit is -1; expected a number of at least 0',
    );
  });

  it('takes an unknown pull policy for the default, with a warning', async () => {
    const { config, warnings } = await loadDocker({ pull_policy: 'sometimes' });
    expect(config.runner.executor.docker.pullPolicy).toBe('if-not-present');
    expect(warnings).toEqual([
      'FILE:1:50: runner.executor.docker.pull_policy is "sometimes", which counts as if-not-present; write always, if-not-present or never',
    ]);
  });

  it('warns of an engine that is reached without TLS, and of privileged containers', async () => {
    const open = await loadDocker({ host: 'tcp://docker.example.com:2375', privileged: true });
    expect(open.warnings).toEqual([
      expect.stringContaining('is used without TLS: whoever is on the way can read every secret of the tasks'),
      expect.stringContaining('the containers of tasks are privileged'),
    ]);
    const unchecked = await loadDocker({ host: 'tcp://docker.example.com:2376', cert_path: '/etc/docker' });
    expect(unchecked.warnings).toEqual([expect.stringContaining('is used without a check of its certificate')]);
    const checked = await loadDocker({ host: 'tcp://docker.example.com:2376', tls_verify: true });
    expect(checked.warnings).toEqual([]);
  });

  it('warns of what is for tasks on this machine only', async () => {
    const file = (type: string) => ({ process: { user: 'me' }, runner: { executor: { type }, limits: { cpu: 2 } } });
    const { warnings } = await loadText(JSON.stringify(file('k8s')));
    expect(warnings).toEqual([
      expect.stringContaining('runner.limits.cpu has no effect on tasks in containers'),
      expect.stringContaining('process.user has no effect on tasks in containers'),
    ]);
    expect((await loadText(JSON.stringify(file('local')))).warnings).toEqual([]);
  });

  it('says nothing of what the local executor does not use', async () => {
    const { warnings } = await loadDocker({ host: 'nowhere', pull_policy: 'sometimes', privileged: true }, 'local');
    expect(warnings).toEqual([]);
  });
});
