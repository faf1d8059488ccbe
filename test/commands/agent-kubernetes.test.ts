import { cpSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderEvents } from '../../src/agent/playground/hub/index.ts';
import { startTestHub, type TestHub } from '../ci-hub/index.ts';
import { podImage, smallImage, tagImages } from '../executors/kubernetes-setup.ts';
import { type KubernetesApi, startKubernetesApi } from '../kubernetes-api/index.ts';
import { pods, secrets } from '../kubernetes-api/objects/resources.ts';
import { needsDocker } from '../support/docker/index.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type AgentProcess, base64, builtAgent, newPlace, startProgram, until } from './agent-support.ts';

const variable = (name: string, value: string) => ({ name, value: base64(value) });

/** The built program, as it is installed, with pods of a stand-in cluster. */
describe.skipIf(!needsDocker())('agent start --kubernetes-executor', { timeout: 180_000 }, () => {
  const { bin } = builtAgent();
  let api: KubernetesApi;

  beforeAll(async () => {
    await tagImages();
    api = await startKubernetesApi({ namespaces: ['default', 'jobs'] });
  }, 180_000);

  afterAll(async () => {
    await api?.close();
  }, 60_000);

  const start = (hub: TestHub, args: readonly string[], env: Record<string, string> = {}): AgentProcess => {
    const place = newPlace();
    const own = {
      SEMAPHORE_AGENT_TOKEN: hub.token,
      SEMAPHORE_AGENT_ENDPOINT: hub.endpoint,
      SEMAPHORE_AGENT_NO_HTTPS: 'true',
      KUBECONFIG: api.kubeconfig,
      KUBERNETES_NAMESPACE: 'jobs',
    };
    return startProgram(bin(), ['start', ...args], { env: { ...place.env, ...own, ...env }, cwd: place.home });
  };

  const left = (namespace: string): string[] =>
    [...api.store.list(pods, namespace), ...api.store.list(secrets, namespace)].map(({ metadata }) => metadata.name);

  it('runs a job of everything as a controller starts it: by environment only, one job, then it ends', async () => {
    const hub = await startTestHub({ nextSyncAfterMs: [100, 200] });
    const id = hub.enqueue({
      job_id: '0c6f2f1e-9d0a-4b53-8d77-5c1f6f0b7f10',
      executor: 'dockercompose',
      compose: {
        containers: [
          { name: 'main', image: podImage, env_vars: [variable('NODE_ENV', 'test')] },
          {
            name: 'db',
            image: smallImage,
            user: '70',
            entrypoint: 'nc -ll -p 5432 -e',
            command: `sh -c 'echo "$POSTGRES_PASSWORD $(id -u)"'`,
            env_vars: [variable('POSTGRES_PASSWORD', 'pw')],
          },
        ],
        image_pull_credentials: [
          {
            env_vars: [
              variable('DOCKER_CREDENTIAL_TYPE', 'GenericDocker'),
              variable('DOCKER_URL', 'registry.example.test'),
              variable('DOCKER_USERNAME', 'bot'),
              variable('DOCKER_PASSWORD', 's3cr3t'),
            ],
            files: [],
          },
        ],
        host_setup_commands: [{ directive: 'false' }],
      },
      env_vars: [variable('CI', 'true'), variable('GREETING', "it's fine $HOME")],
      files: [
        { path: '~/.npmrc', content: base64('audit=false\n'), mode: '0600' },
        { path: '/opt/ci/run.sh', content: base64('#!/bin/sh\necho run\n'), mode: '0755' },
        { path: 'relative/note.txt', content: base64('hi\n'), mode: '0644' },
      ],
      commands: [
        {
          directive: 'echo "$GREETING $CI $NODE_ENV $FROM_AGENT"; cat ~/.npmrc relative/note.txt; /opt/ci/run.sh',
          alias: 'Look',
        },
        { directive: 'until cat </dev/tcp/db/5432; do sleep 0.2; done 2>/dev/null' },
      ],
      epilogue_always_commands: [{ directive: 'echo result is $SEMAPHORE_JOB_RESULT' }],
      epilogue_on_pass_commands: [{ directive: 'echo good' }],
      epilogue_on_fail_commands: [{ directive: 'echo bad' }],
    });
    const agent = start(hub, [], {
      SEMAPHORE_AGENT_NAME: 'semaphore-agent-pod-1',
      SEMAPHORE_AGENT_JOB_ID: id,
      SEMAPHORE_AGENT_DISCONNECT_AFTER_JOB: 'true',
      SEMAPHORE_AGENT_KUBERNETES_EXECUTOR: 'true',
      SEMAPHORE_AGENT_KUBERNETES_LABELS: 'team=build',
      SEMAPHORE_AGENT_ENV_VARS: 'FROM_AGENT=host',
    });
    const known = (): string => agent.out() + agent.err() + hub.job(id).lines.join('\n');
    await until(() => left('jobs').some((name) => name.endsWith('image-pull-secret')), 'the pull secret', known);
    const [pull] = api.store.list(secrets, 'jobs').filter(({ metadata }) => metadata.name.endsWith('pull-secret'));
    expect(pull).toMatchObject({
      metadata: { name: `semaphore-job-${id}-image-pull-secret`, labels: { team: 'build' } },
      type: 'kubernetes.io/dockerconfigjson',
      data: {
        '.dockerconfigjson': base64(
          '{"auths":{"registry.example.test":{"username":"bot","password":"s3cr3t","auth":"Ym90OnMzY3IzdA=="}}}',
        ),
      },
    });
    await until(() => hub.job(id).result !== undefined, 'the end of the job', known);
    expect(hub.job(id).result, known()).toBe('passed');
    const story = renderEvents(hub.job(id).lines).map((text) =>
      text.replace(/^(Pod is not ready yet: .*\n)*Pod is ready\.\n/, 'Pod is ready.\n'),
    );
    expect(story).toEqual([
      'job_started',
      'directive: Creating Kubernetes resources for job...',
      'Exit Code: 0',
      'directive: Starting shell session...',
      'Pod is ready.\nStarting a new bash session in the pod...\nShell session is ready.\nUser: root\n' +
        'User identity: uid=0(root) gid=0(root) groups=0(root)\nWorking directory: /root\n',
      'Exit Code: 0',
      'directive: Exporting environment variables',
      'Exporting CI\nExporting GREETING\nExporting FROM_AGENT\n',
      'Exit Code: 0',
      'directive: Injecting Files',
      'Injecting ~/.npmrc with file mode 0600\nInjecting /opt/ci/run.sh with file mode 0755\nInjecting ~/relative/note.txt with file mode 0644\n',
      'Exit Code: 0',
      'directive: Look',
      'Running: echo "$GREETING $CI $NODE_ENV $FROM_AGENT"; cat ~/.npmrc relative/note.txt; /opt/ci/run.sh\n' +
        "it's fine $HOME true test host\naudit=false\nhi\nrun\n",
      'Exit Code: 0',
      'directive: until cat </dev/tcp/db/5432; do sleep 0.2; done 2>/dev/null',
      'pw 70\n',
      'Exit Code: 0',
      'directive: Exporting environment variables',
      'Exporting SEMAPHORE_JOB_RESULT\n',
      'Exit Code: 0',
      'directive: echo result is $SEMAPHORE_JOB_RESULT',
      'result is passed\n',
      'Exit Code: 0',
      'directive: echo good',
      'good\n',
      'Exit Code: 0',
      'job_finished: passed',
    ]);
    expect(await agent.ended, known()).toMatchObject({ code: 0 });
    await until(
      () => left('jobs').length === 0,
      'that nothing is left',
      () => left('jobs').join(),
    );
  });

  it('that is killed leaves a pod and secrets, which the next one removes', async () => {
    const hub = await startTestHub({ nextSyncAfterMs: [100, 200] });
    const id = hub.enqueue({
      compose: { containers: [{ name: 'main', image: podImage }] },
      commands: [{ directive: 'echo begun; sleep 300' }],
    });
    const first = start(hub, ['--kubernetes-executor']);
    const known = (): string => first.out() + first.err() + hub.job(id).lines.join('\n');
    await until(() => hub.job(id).lines.some((line) => line.includes('"begun')), 'the job', known);
    first.kill('SIGKILL');
    await first.ended;
    expect(left('jobs').toSorted()).toEqual([`semaphore-job-${id}`, `semaphore-job-${id}-secret`]);
    const second = start(hub, ['--kubernetes-executor']);
    await until(
      () => left('jobs').length === 0,
      'that nothing is left',
      () => second.out() + second.err(),
    );
    second.kill('SIGTERM');
    expect(await second.ended).toMatchObject({ code: 0 });
    expect(second.out()).toContain('Removed what an earlier agent has left of a job');
  });

  it('is told to stop a job: its pod goes', async () => {
    const hub = await startTestHub({ nextSyncAfterMs: [100, 200] });
    const id = hub.enqueue({
      compose: { containers: [{ name: 'main', image: podImage }] },
      commands: [{ directive: 'echo begun; sleep 300' }],
    });
    const agent = start(hub, ['--kubernetes-executor']);
    const known = (): string => agent.out() + agent.err() + hub.job(id).lines.join('\n');
    await until(() => hub.job(id).lines.some((line) => line.includes('"begun')), 'the job', known);
    hub.stopJob(id);
    await until(() => hub.job(id).result !== undefined, 'the end of the job', known);
    expect(hub.job(id).result).toBe('stopped');
    await until(
      () => left('jobs').length === 0,
      'that nothing is left',
      () => left('jobs').join(),
    );
  });

  it('says what is missing: the library, or a cluster', async () => {
    const copy = tempDir();
    cpSync(dirname(dirname(bin())), copy, { recursive: true, filter: (path) => !path.endsWith('node_modules') });
    const place = newPlace();
    const env = { ...place.env, SEMAPHORE_AGENT_TOKEN: 't', KUBECONFIG: api.kubeconfig };
    const args = ['start', '--endpoint', '127.0.0.1:1', '--no-https', '--kubernetes-executor'];
    const bare = startProgram(join(copy, 'bin/agent'), args, { env, cwd: place.home });
    expect(await bare.ended).toMatchObject({ code: 1 });
    expect(bare.out()).toMatch(
      /the package @kubernetes\/client-node is not installed.*\n.*npm install @kubernetes\/client-node@/,
    );
    const none = startProgram(bin(), args, { env: { ...env, KUBECONFIG: '' }, cwd: place.home });
    expect(await none.ended).toMatchObject({ code: 1 });
    expect(none.out()).toMatch(/no Kubernetes was found\n.*KUBECONFIG/);
  });
});
