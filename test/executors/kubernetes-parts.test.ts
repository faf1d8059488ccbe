import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { imagePattern, parseKubernetesYaml } from '../../src/config/index.ts';
import type { Pod } from '../../src/executors/kubernetes/index.ts';
import { endOfStatus } from '../../src/executors/kubernetes/exec-status.ts';
import {
  buildPod,
  type BuildPodOptions,
  type JobContainer,
} from '../../src/executors/kubernetes-executor/build-pod.ts';
import { environmentSecrets } from '../../src/executors/kubernetes-executor/environment-secrets.ts';
import { checkImage } from '../../src/executors/kubernetes-executor/images.ts';
import { destinationOf, injectCommand } from '../../src/executors/kubernetes-executor/inject-command.ts';
import { containerName, jobNames } from '../../src/executors/kubernetes-executor/names.ts';
import { hasEnded, thisProcess } from '../../src/executors/kubernetes-executor/ownership.ts';
import { fateOf, readinessOf } from '../../src/executors/kubernetes-executor/pod-state.ts';
import { dockerConfigJson } from '../../src/executors/kubernetes-executor/pull-secret.ts';
import { shellWords } from '../../src/executors/kubernetes-executor/shell-words.ts';
import { TypedTransport } from '../../src/executors/kubernetes-executor/typed-transport.ts';
import { encoded } from './kubernetes-setup.ts';

const container = (rest: Partial<JobContainer>): JobContainer => ({
  name: 'main',
  image: 'img',
  command: '',
  entrypoint: '',
  user: '',
  variables: [],
  ...rest,
});

const build = (options: Partial<BuildPodOptions>) =>
  buildPod({
    containers: [container({})],
    defaultImage: '',
    allowedImages: [],
    decoration: { pod: {}, main: {}, sidecars: {} },
    names: jobNames('1'),
    environmentSecrets: 1,
    hasPullSecret: false,
    ...options,
  });

describe('the pod of a job', () => {
  it('has the shape of the original, when there is nothing to add', () => {
    expect(build({}).spec).toEqual({
      restartPolicy: 'Never',
      imagePullSecrets: [],
      volumes: [{ name: 'environment', secret: { secretName: 'semaphore-job-1-secret' } }],
      containers: [
        {
          name: 'main',
          image: 'img',
          env: [],
          command: ['bash', '-c', 'sleep infinity'],
          volumeMounts: [{ name: 'environment', mountPath: '/tmp/injected', readOnly: true }],
          terminationMessagePolicy: 'FallbackToLogsOnError',
        },
      ],
    });
  });

  it('is decorated: its own parts are added, containers and restartPolicy replaced, everything else kept', () => {
    const decoration = {
      pod: {
        nodeSelector: { disk: 'ssd' },
        restartPolicy: 'Always',
        containers: [{ name: 'no' }],
        imagePullSecrets: [{ name: 'theirs' }],
        volumes: [{ name: 'cache', emptyDir: {} }],
        hostAliases: [{ ip: '10.0.0.1', hostnames: ['x'] }],
        fieldOfTheFuture: 1,
      },
      main: {
        env: [{ name: 'A', value: '$(B)' }],
        volumeMounts: [{ name: 'cache', mountPath: '/c' }],
        resources: { limits: { memory: '1Gi' } },
        command: ['no'],
        terminationMessagePolicy: 'File',
      },
      sidecars: { env: [{ name: 'S', value: '1' }], imagePullPolicy: 'Never' },
    };
    const one = build({ decoration, hasPullSecret: true, containers: [container({ variables: [encoded('E', 'x')] })] });
    expect(one.spec).toMatchObject({
      nodeSelector: { disk: 'ssd' },
      restartPolicy: 'Never',
      fieldOfTheFuture: 1,
      imagePullSecrets: [{ name: 'theirs' }, { name: 'semaphore-job-1-image-pull-secret' }],
      volumes: [{ name: 'cache' }, { name: 'environment' }],
      hostAliases: [{ ip: '10.0.0.1', hostnames: ['x'] }],
      containers: [
        {
          name: 'main',
          image: 'img',
          env: [
            { name: 'A', value: '$(B)' },
            { name: 'E', value: 'x' },
          ],
          resources: { limits: { memory: '1Gi' } },
          command: ['bash', '-c', 'sleep infinity'],
          volumeMounts: [{ name: 'cache' }, { name: 'environment' }],
          terminationMessagePolicy: 'File',
        },
      ],
    });
    const two = build({
      decoration,
      containers: [container({}), container({ name: 'db', image: 'pg', variables: [encoded('P', 'y')] })],
    });
    expect(two.spec.hostAliases).toEqual([{ ip: '127.0.0.1', hostnames: ['db'] }]);
    expect(two.spec.containers[1]).toEqual({
      name: 'db',
      image: 'pg',
      imagePullPolicy: 'Never',
      env: [
        { name: 'S', value: '1' },
        { name: 'P', value: 'y' },
      ],
      terminationMessagePolicy: 'FallbackToLogsOnError',
    });
  });

  it('takes entrypoint, command and user of a side container, literally', () => {
    const { spec, remarks } = build({
      containers: [
        container({ user: 'root' }),
        container({ name: 'db', entrypoint: '/e "a b"', command: "run '$(X)' $$", user: '70:71' }),
        container({ name: 'other', user: 'postgres' }),
      ],
    });
    expect(spec.containers[0]?.securityContext).toEqual({ runAsUser: 0 });
    expect(spec.containers[1]).toMatchObject({
      command: ['/e', 'a b'],
      args: ['run', '$$(X)', '$$$$'],
      securityContext: { runAsUser: 70, runAsGroup: 71 },
    });
    expect(spec.containers[2]).not.toHaveProperty('securityContext');
    expect(remarks).toEqual([expect.stringContaining("'postgres'")]);
  });

  it('keeps what a decoration says of security besides the user', () => {
    const decoration = { pod: {}, main: { securityContext: { privileged: true, runAsUser: 5 } }, sidecars: {} };
    const [main] = build({ decoration, containers: [container({ user: '7' })] }).spec.containers;
    expect(main?.securityContext).toEqual({ privileged: true, runAsUser: 7 });
  });

  it('gives containers names that Kubernetes takes, each its own', () => {
    const names = ['a', 'main', 'A', 'x'.repeat(80), 'x'.repeat(80), '', '_'];
    const { spec } = build({ containers: names.map((name) => container({ name })) });
    const made = spec.containers.map(({ name }) => name);
    expect(new Set(made).size).toBe(names.length);
    expect(made.slice(0, 3)).toEqual(['main', 'main-2', 'a']);
    for (const name of made) expect(name).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
  });

  it.each<[string, Partial<BuildPodOptions>, string]>([
    [
      'no containers and no default image',
      { containers: [] },
      'no containers specified in Semaphore YAML, and no default container is provided',
    ],
    ['an image that is not allowed', { allowedImages: ['^x'] }, "image 'img' is not allowed"],
    [
      'a default image that is not allowed',
      { containers: [], defaultImage: 'bad', allowedImages: ['^x'] },
      "image 'bad' is not allowed",
    ],
    [
      'a side container whose image is not allowed',
      { containers: [container({}), container({ image: 'evil' })], allowedImages: ['^img$'] },
      "image 'evil' is not allowed",
    ],
    ['no image', { containers: [container({ image: '' })] }, "image '' is not a valid name of an image"],
    [
      'a quote that is not closed',
      { containers: [container({}), container({ name: 'db', command: 'a "b' })] },
      `command of container 'db': a quote (") is not closed in: a "b`,
    ],
    [
      'a variable that is not base64',
      { containers: [container({ variables: [{ name: 'N', value: '*' }] })] },
      "the value of the variable 'N' of container 'main' is not base64",
    ],
  ])('cannot be built: %s', (_, options, text) => {
    expect(() => build(options)).toThrow(text);
  });

  it('runs the default image when the job names none', () => {
    expect(build({ containers: [], defaultImage: 'ubuntu:24.04' }).spec.containers).toMatchObject([
      { name: 'main', image: 'ubuntu:24.04' },
    ]);
  });
});

describe('names of images', () => {
  it.each(['a', 'a/b:c', 'registry.example.test:5000/a_b/c-d.e:1.0_x', `a@sha256:${'0'.repeat(64)}`, 'Host/a'])(
    'that are right: %s',
    (image) => expect(() => checkImage(image, [])).not.toThrow(),
  );

  it.each(['', ' a', 'A', 'a:', 'a b', 'a/', '/a', 'a:b:c', 'http://a/b', 'a@sha256:1', 'a\nb'])(
    'that are wrong: %j',
    (image) => expect(() => checkImage(image, [])).toThrow('is not a valid name'),
  );

  it.each([
    ['img', 'myimg:1', true],
    ['^img', 'myimg', false],
    [String.raw`\Aimg\z`, 'img', true],
    [String.raw`\Aimg\z`, 'img2', false],
    ['(?i)IMG', 'img', true],
    ['^[[:alpha:]]+:[[:digit:]]+$', 'img:12', true],
    ['^[[:alpha:]]+:[[:digit:]]+$', 'img:x', false],
    ['(?P<name>im)g', 'img', true],
    [String.raw`\\Az`, 'Az', false],
  ])('and patterns of Go: %s for %s: %j', (pattern, image, matches) => {
    expect(imagePattern(pattern).test(image)).toBe(matches);
  });
});

describe('names of what a job has', () => {
  it('are those of the original', () => {
    const names = jobNames('0c6f2f1e-9d0a-4b53-8d77-5c1f6f0b7f10');
    expect(names.pod).toBe('semaphore-job-0c6f2f1e-9d0a-4b53-8d77-5c1f6f0b7f10');
    expect(names.environmentSecret(0)).toBe(`${names.pod}-secret`);
    expect(names.environmentSecret(1)).toBe(`${names.pod}-secret-2`);
    expect(names.pullSecret).toBe(`${names.pod}-image-pull-secret`);
  });

  it.each(['', 'A_b', 'a_b', 'ä', '-', 'x'.repeat(300), '../x', 'a.b'])('are valid for the job id %j', (id) => {
    for (const { pod } of [jobNames(id), jobNames(id, true)]) {
      expect(pod).toMatch(/^semaphore-job-[a-z0-9]([a-z0-9-]*[a-z0-9])?$/);
      expect(pod.length).toBeLessThanOrEqual(63);
    }
  });

  it('differ for job ids that look alike, and when the first is taken', () => {
    expect(jobNames('A').pod).not.toBe(jobNames('a').pod);
    expect(jobNames('a', true).pod).toMatch(/^semaphore-job-a-[0-9a-f]{6}$/);
    expect(containerName('a', new Set(['a', 'a-2']))).toBe('a-3');
  });
});

describe('words of compose', () => {
  it.each<[string, string[]]>([
    ['postgres -c fsync=off', ['postgres', '-c', 'fsync=off']],
    [` a\t'b  c'"d\\"e\\n" f\\ g `, ['a', 'b  cd"e\\n', 'f g']],
    [`'' ""`, ['', '']],
    ['', []],
    ['$HOME `x` *', ['$HOME', '`x`', '*']],
    ['a\\', ['a\\']],
  ])('%j', (text, words) => expect(shellWords(text)).toEqual(words));
});

describe('secrets of a job', () => {
  it('hold the variables as a script, and files under their paths', () => {
    const { secrets, parts } = environmentSecrets(
      [encoded('B', 'b c'), encoded('A', '')],
      [{ name: 'H', value: '1' }],
      [{ path: 'x', content: 'aGk=', mode: '' }],
    );
    expect(secrets).toEqual([
      new Map([
        ['.env', Buffer.from("export B='b c'\nexport A=''\nexport H=1\n")],
        ['eA', Buffer.from('hi')],
      ]),
    ]);
    expect(parts).toEqual(new Map([['x', ['/tmp/injected/eA']]]));
  });

  it('are several where one would be too large', () => {
    const content = Buffer.alloc(2_500_000, 7).toString('base64');
    const { secrets, parts } = environmentSecrets([], [], [{ path: 'x', content, mode: '' }]);
    expect(secrets.map((secret) => [...secret.keys()])).toEqual([['.env', 'eA.0'], ['eA.1'], ['eA.2']]);
    for (const secret of secrets) {
      expect([...secret.values()].reduce((sum, bytes) => sum + bytes.length, 0)).toBeLessThanOrEqual(1_048_576);
    }
    expect(parts.get('x')).toEqual(['/tmp/injected/eA.0', '/tmp/injected-2/eA.1', '/tmp/injected-3/eA.2']);
  });

  it.each<[string, Parameters<typeof environmentSecrets>, string]>([
    [
      'a variable that is not base64',
      [[{ name: 'N', value: '*' }], [], []],
      "the value of the variable 'N' is not base64",
    ],
    [
      'a file that is not base64',
      [[], [], [{ path: 'p', content: '*', mode: '' }]],
      "the content of the file 'p' is not base64",
    ],
    ['a file without path', [[], [], [{ path: '', content: '', mode: '' }]], 'a file of the job has no path'],
    [
      'more variables than a secret holds',
      [[encoded('N', 'x'.repeat(1_100_000))], [], []],
      'the variables of the job have 1100010 bytes; at most 1000000 fit into a secret',
    ],
    [
      'too much altogether',
      [[], [], [{ path: 'p', content: Buffer.alloc(33_000_000).toString('base64'), mode: '' }]],
      'the files of the job have more than 32000000 bytes',
    ],
  ])('cannot be made: %s', (_, args, text) => expect(() => environmentSecrets(...args)).toThrow(text));

  it('for pulling images name all four kinds of registries', async () => {
    const credential = (
      type: string,
      values: Record<string, string>,
      files: { path: string; content: string; mode: string }[] = [],
    ) => ({
      variables: Object.entries({ DOCKER_CREDENTIAL_TYPE: type, ...values }).map(([name, value]) =>
        encoded(name, value),
      ),
      files,
    });
    const key = { path: '/tmp/gcr/keyfile.json', content: Buffer.from('{"k":1}').toString('base64'), mode: '' };
    const signal = new AbortController().signal;
    const text = await dockerConfigJson(
      [
        credential('DockerHub', { DOCKERHUB_USERNAME: 'me', DOCKERHUB_PASSWORD: 'p' }),
        credential('GenericDocker', {
          DOCKER_URL: 'registry.example.test',
          DOCKER_USERNAME: 'bot',
          DOCKER_PASSWORD: 's3cr3t',
        }),
        credential('GCR', { GCR_HOSTNAME: 'gcr.io' }, [key]),
      ],
      { env: {}, signal },
    );
    expect(JSON.parse(text)).toEqual({
      auths: {
        'docker.io': { username: 'me', password: 'p', auth: 'bWU6cA==' },
        'registry.example.test': { username: 'bot', password: 's3cr3t', auth: 'Ym90OnMzY3IzdA==' },
        'gcr.io': {
          username: '_json_key',
          password: '{"k":1}',
          auth: Buffer.from('_json_key:{"k":1}').toString('base64'),
        },
      },
    });
    const refused = dockerConfigJson([credential('Bogus', {})], { env: {}, signal });
    await expect(refused).rejects.toThrow("unknown DOCKER_CREDENTIAL_TYPE: 'Bogus'");
  });
});

describe('the place of a file', () => {
  it.each([
    ['/a', '/a'],
    ['~/a', '~/a'],
    ['~', '~'],
    ['a/b', '~/a/b'],
  ])('%s is %s', (path, destination) => expect(destinationOf(path)).toBe(destination));

  it('is quoted but for a home directory at its beginning', () => {
    const command = injectCommand({ path: "~/a b/$(x)'", content: '', mode: '0600' }, [
      '/tmp/injected/k',
      '/tmp/injected-2/k',
    ]);
    expect(command).toContain(`mkdir -p -- ~'/a b'`);
    expect(command).toContain(`cat -- /tmp/injected/k /tmp/injected-2/k >|~'/a b/$(x)'"'"''`);
    expect(injectCommand({ path: '~x y/z', content: '', mode: '' }, [])).toContain(`>|'~x y/z'`);
  });
});

describe('a typed command', () => {
  it.each([
    '',
    'echo hi',
    'a\nb\n',
    `it's "all" $HOME \`x\` !! \\ \t # ä€🙂`,
    'x'.repeat(20_000),
    "'".repeat(5000),
    Array.from({ length: 127 }, (_, index) => String.fromCharCode(index + 1)).join(''),
  ])('comes through a real bash as it is, in short lines: %#', async (text) => {
    const lines: string[] = [];
    const operand = await new TypedTransport().place(text, (line) => {
      lines.push(line);
      return Promise.resolve();
    });
    for (const line of lines) expect(line.length).toBeLessThan(3500);
    const script = `${lines.join('\n')}\ncat ${operand}`;
    expect(execFileSync('bash', ['--norc'], { input: script }).toString('utf8')).toBe(text);
  });
});

describe('what a pod says of itself', () => {
  const pod = (status: Pod['status'], more: Partial<Pod['metadata']> = {}): Pod => ({
    metadata: { name: 'p', ...more },
    spec: { containers: [{ name: 'main', resources: { limits: { memory: '64Mi' } } }] },
    ...(status && { status }),
  });
  const waiting = (reason: string, message = ''): Pod =>
    pod({
      phase: 'Pending',
      containerStatuses: [{ name: 'main', ready: false, state: { waiting: { reason, message } } }],
    });
  const terminated = { exitCode: 137, reason: 'OOMKilled' };

  it.each<[string, Pod, string, string]>([
    ['new', pod(undefined), 'waiting', 'the pod is pending'],
    [
      'without a node',
      pod({
        phase: 'Pending',
        conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes' }],
      }),
      'waiting',
      'the pod is pending: Unschedulable: 0/3 nodes',
    ],
    ['creating', waiting('ContainerCreating'), 'waiting', "container 'main' is not ready: ContainerCreating"],
    [
      'pulling in vain',
      waiting('ErrImagePull', 'no'),
      'hopeless',
      "the image of container 'main' cannot be pulled: ErrImagePull: no",
    ],
    [
      'backing off',
      waiting('ImagePullBackOff'),
      'hopeless',
      "the image of container 'main' cannot be pulled: ImagePullBackOff",
    ],
    [
      'of wrong configuration',
      waiting('CreateContainerConfigError', 'secret "x" not found'),
      'hopeless',
      `container 'main' cannot be started: CreateContainerConfigError: secret "x" not found`,
    ],
    [
      'ended',
      pod({ phase: 'Failed', containerStatuses: [{ name: 'main', ready: false, state: { terminated } }] }),
      'hopeless',
      "the pod has ended (Failed): container 'main': OOMKilled, exit code 137",
    ],
    [
      'with an init container that has failed',
      pod({
        phase: 'Pending',
        initContainerStatuses: [
          {
            name: 'i',
            ready: false,
            state: { terminated: { exitCode: 2, reason: 'Error', message: 'no such host\n' } },
          },
        ],
      }),
      'hopeless',
      "container 'i' has ended: Error, exit code 2: no such host",
    ],
    [
      'with a side container that has failed',
      pod({
        phase: 'Running',
        containerStatuses: [
          { name: 'main', ready: true, state: { running: {} } },
          { name: 'db', ready: false, state: { terminated: { exitCode: 1, reason: 'Error', message: 'no password' } } },
        ],
      }),
      'hopeless',
      "container 'db' has ended: Error, exit code 1: no password",
    ],
    [
      'not ready by its probe',
      pod({ phase: 'Running', containerStatuses: [{ name: 'main', ready: false, state: { running: {} } }] }),
      'waiting',
      "container 'main' is not ready",
    ],
    [
      'without bash',
      pod({
        phase: 'Failed',
        containerStatuses: [
          {
            name: 'main',
            ready: false,
            state: {
              terminated: {
                exitCode: 128,
                reason: 'StartError',
                message: 'exec: "bash": executable file not found in $PATH',
              },
            },
          },
        ],
      }),
      'hopeless',
      `the pod has ended (Failed): container 'main': StartError, exit code 128: exec: "bash": executable file not found in $PATH (the image must have bash)`,
    ],
  ])('%s', (_, described, kind, reason) => expect(readinessOf(described)).toEqual({ kind, reason }));

  it('ready: also with a side container that has done its work', () => {
    const containerStatuses = [
      { name: 'main', ready: true, state: { running: {} } },
      { name: 'once', ready: false, state: { terminated: { exitCode: 0 } } },
    ];
    expect(readinessOf(pod({ phase: 'Running', containerStatuses }))).toEqual({ kind: 'ready' });
  });

  it.each<[string, Pod, string | undefined]>([
    ['running', pod({ phase: 'Running' }), undefined],
    [
      'evicted',
      pod({ phase: 'Failed', reason: 'Evicted', message: 'The node was low on memory.' }),
      'The pod of the job was evicted: The node was low on memory.',
    ],
    [
      'out of memory',
      pod({ phase: 'Failed', containerStatuses: [{ name: 'main', ready: false, state: { terminated } }] }),
      'The main container of the job has run out of memory and was ended (OOMKilled, its limit is 64Mi).',
    ],
    [
      'being deleted',
      pod({ phase: 'Running' }, { deletionTimestamp: 'x' }),
      'The pod of the job is being deleted: by somebody, or because its node is drained.',
    ],
    [
      'lost with its node',
      pod({ phase: 'Unknown', reason: 'NodeLost' }),
      'The node that the pod of the job ran on does not answer any more.',
    ],
    [
      'past its deadline',
      pod({ phase: 'Failed', reason: 'DeadlineExceeded', message: 'too long' }),
      'The pod of the job has failed: DeadlineExceeded: too long.',
    ],
  ])('and why its shell is gone: %s', (_, described, text) => expect(fateOf(described, 'main')).toBe(text));
});

describe('the end of a process in a container', () => {
  it.each([
    ['{"status":"Success"}', { kind: 'exited', code: 0 }],
    [
      '{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"42"}]}}',
      { kind: 'exited', code: 42 },
    ],
    ['{"status":"Failure","reason":"InternalError","message":"no bash"}', { kind: 'failed', reason: 'no bash' }],
    ['{"status":"Failure","reason":"NonZeroExitCode"}', { kind: 'failed', reason: 'the server gave no reason' }],
    ['plain text', { kind: 'failed', reason: 'plain text' }],
  ])('%s', (text, end) => expect(endOfStatus(text)).toEqual(end));
});

describe('whether the agent that has made something has ended', () => {
  const self = thisProcess();
  const context = (pod?: Pod) => ({ self, createdAt: '2030-01-01T00:00:00Z', lookUp: () => Promise.resolve(pod) });
  const agentPod = (uid: string, status: Pod['status'] = { phase: 'Running' }): Pod => ({
    metadata: { name: 'agent', uid },
    spec: { containers: [] },
    status,
  });
  const started = (startedAt: string) => ({ name: 'a', ready: true, state: { running: { startedAt } } });

  it.each<[string, Parameters<typeof hasEnded>[0], Pod | undefined, boolean]>([
    ['itself', self, undefined, false],
    ['a process that is not there', { ...self, pid: 4_194_303 }, undefined, true],
    ['another process of that number', { ...self, started: '1' }, undefined, true],
    ['before the machine was started', { ...self, boot: 'x' }, undefined, true],
    ['another machine', { ...self, host: 'x', boot: 'x', pid: 4_194_303 }, undefined, false],
    ['a pod that is gone', { ...self, host: 'x', pod: { name: 'agent', uid: '1' } }, undefined, true],
    [
      'a pod that has another of its name after it',
      { ...self, host: 'x', pod: { name: 'agent', uid: '1' } },
      agentPod('2'),
      true,
    ],
    ['a pod that runs', { ...self, host: 'x', pod: { name: 'agent', uid: '1' } }, agentPod('1'), false],
    [
      'a pod that has ended',
      { ...self, host: 'x', pod: { name: 'agent', uid: '1' } },
      agentPod('1', { phase: 'Failed' }),
      true,
    ],
    [
      'a pod whose container has started again',
      { ...self, pod: { name: 'agent', uid: '1' } },
      agentPod('1', { phase: 'Running', containerStatuses: [started('2030-01-01T00:00:05Z')] }),
      true,
    ],
    [
      'a pod of which a container may be it',
      { ...self, pod: { name: 'agent', uid: '1' } },
      agentPod('1', {
        phase: 'Running',
        containerStatuses: [started('2030-01-01T00:00:05Z'), started('2029-12-31T23:59:00Z')],
      }),
      false,
    ],
  ])('%s', async (_, owner, pod, ended) => expect(await hasEnded(owner, context(pod))).toBe(ended));
});

describe('YAML for Kubernetes', () => {
  it('has octal modes and merges, as kubectl reads it', async () => {
    const text = 'base: &b {a: 1}\nx: {<<: *b, defaultMode: 0400, port: 0o17, time: "0400", zero: 0}\n';
    expect(await parseKubernetesYaml(text)).toMatchObject({
      x: { a: 1, defaultMode: 0o400, port: 15, time: '0400', zero: 0 },
    });
    await expect(parseKubernetesYaml('a: [')).rejects.toThrow();
  });
});
