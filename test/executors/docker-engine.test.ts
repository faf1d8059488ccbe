import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DockerExecutorConfig } from '../../src/config/index.ts';
import type { ContainerEngine, ExecRequest, TaskContainers } from '../../src/executors/containers/engine.ts';
import { createDockerEngine } from '../../src/executors/docker-engine.ts';
import {
  busyboxImage,
  debianImage,
  docker,
  dockerNames,
  ensureImages,
  needsDocker,
  uniqueName,
} from '../support/docker/index.ts';
import { dockerConfig, opened, thingsOf } from '../support/docker-tasks.ts';

const never = new AbortController().signal;

async function run(
  containers: TaskContainers,
  argv: readonly string[],
  more: Partial<ExecRequest> & { role?: 'helper' } = {},
) {
  const printed: Buffer[] = [];
  const result = await containers.exec(more.role ?? 'build', {
    argv,
    onStdout: (bytes) => printed.push(bytes),
    ...more,
  });
  return { result, stdout: Buffer.concat(printed).toString('utf8') };
}

function shell(containers: TaskContainers, script: string, more: Partial<ExecRequest> & { role?: 'helper' } = {}) {
  return run(containers, ['sh', '-c', script], more);
}

describe.runIf(needsDocker())('the Docker engine for runner tasks', () => {
  const owner = dockerNames('engine');
  let count = 0;
  const newName = () => `${owner}-${(count += 1)}`;
  const engineWith = (changes: Partial<DockerExecutorConfig> = {}, env = process.env, of = owner): ContainerEngine =>
    createDockerEngine({ config: dockerConfig(changes), owner: of, env });

  beforeAll(() => ensureImages(busyboxImage, debianImage), 600_000);

  describe('containers of busybox, whose user is not root, beside a helper of Debian', () => {
    const name = uniqueName('user');
    const image = `${name}:latest`;
    let containers: TaskContainers;
    const said: string[] = [];

    beforeAll(async () => {
      await docker(['build', '--tag', image, '-'], {
        input: `FROM ${busyboxImage}\nUSER 4242:4243\nENV FROM_IMAGE=yes\nWORKDIR /srv\nENTRYPOINT ["/no/such/thing"]\nVOLUME /data\n`,
      });
      containers = await opened(engineWith({ memoryLimit: '64m', memoryLimitBytes: 64 * 1024 ** 2, cpuLimit: 0.5 }), {
        name: newName(),
        image,
        say: (line) => said.push(line),
      });
    }, 120_000);

    afterAll(async () => {
      await containers.remove(0);
      await docker(['rmi', '--force', image]);
    }, 120_000);

    it('run as the user of the image, with its environment and directory, and without its entrypoint', async () => {
      const { stdout } = await shell(containers, 'id -u; id -g; echo $FROM_IMAGE; pwd');
      expect(stdout).toBe('4242\n4243\nyes\n/srv\n');
      expect(said).toEqual([]);
    });

    it('share a workspace and secrets, which belong to that user, who has a name everywhere', async () => {
      await shell(containers, 'echo from build > /workspace/a; echo secret > /secrets/b');
      const { stdout } = await shell(
        containers,
        'cat /workspace/a /secrets/b; id -un; stat -c "%u %g %a" /workspace /secrets; grep -c " /secrets tmpfs " /proc/mounts',
        { role: 'helper' },
      );
      expect(stdout).toBe('from build\nsecret\nsemaphore\n4242 4243 755\n4242 4243 700\n1\n');
      expect((await shell(containers, 'id -un')).stdout).toBe('semaphore\n');
    });

    it('carry the labels of the task and show the engine nothing of what is put into them', async () => {
      await shell(containers, 'read -r secret; echo "$secret" > /secrets/c', {
        input: Buffer.from('not for docker\n'),
      });
      const inspected = await docker(['inspect', `${containers.name}-build`, `${containers.name}-helper`]);
      expect(inspected).not.toContain('not for docker');
      expect(inspected).not.toContain('"Type": "bind"');
      const [{ Config }] = JSON.parse(inspected) as [{ Config: { Labels: object } }];
      expect(Config.Labels).toMatchObject({
        'semaphoreui.com/task-id': '7',
        'semaphoreui.com/runner': owner,
        'semaphoreui.com/pod-name': containers.name,
      });
    });

    it('have the limits, swap off', async () => {
      const format =
        '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} {{.HostConfig.Privileged}}';
      expect(await docker(['inspect', '--format', format, `${containers.name}-build`])).toBe(
        '67108864 67108864 500000000 false',
      );
    });

    it('tell the exit code of a command from those of docker', async () => {
      const codes = ['exit 0', 'exit 1', 'exit 125', 'exit 126', 'exit 127', 'kill -9 $$'];
      const results = await Promise.all(codes.map(async (script) => (await shell(containers, script)).result));
      expect(results.map((result) => (result.kind === 'exited' ? result.code : result))).toEqual([
        0, 1, 125, 126, 127, 137,
      ]);
      const { result } = await run(containers, ['/no/such/command']);
      expect(result).toMatchObject({ kind: 'exited', code: 127 });
      expect((await shell(containers, 'echo why >&2; exit 3')).result).toEqual({
        kind: 'exited',
        code: 3,
        stderr: 'why\n',
      });
    });

    it('give a command its standard input and every byte that it prints', async () => {
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

    it('go on with a command that nobody listens to any more', async () => {
      const abort = new AbortController();
      const listening = containers.exec('build', {
        argv: ['sh', '-c', 'echo begun; while [ ! -e /workspace/go ]; do sleep 0.1; done; echo over > /workspace/over'],
        onStdout: () => abort.abort(),
        signal: abort.signal,
      });
      expect(await listening).toEqual({ kind: 'dropped', reason: 'nobody waits for it any more' });
      await shell(containers, 'touch /workspace/go; while [ ! -e /workspace/over ]; do sleep 0.1; done');
      expect((await shell(containers, 'cat /workspace/over')).stdout).toBe('over\n');
    });

    it('say that a process was killed for its memory, and live on', async () => {
      expect(await containers.hits?.()).toEqual([]);
      const { result } = await shell(containers, 'dd if=/dev/zero of=/dev/null bs=200M count=1');
      expect(result).toMatchObject({ kind: 'exited', code: 137 });
      expect(await containers.hits?.()).toEqual([
        'The task needed more memory than it may have (64m, runner.executor.docker.memory_limit): the system killed a process of it.',
      ]);
      expect((await shell(containers, 'echo there')).stdout).toBe('there\n');
    });

    it('are taken up by a later runner, and not made anew', async () => {
      await shell(containers, 'echo kept > /workspace/kept');
      const later = await opened(engineWith(), { name: containers.name, image, resumed: true });
      expect((await shell(later, 'cat /workspace/kept')).stdout).toBe('kept\n');
    });

    it('bury processes that have lost their parents', async () => {
      await shell(containers, '(sleep 0.1 &) ; exit 0');
      const zombies =
        'n=1; while [ "$n" -gt 0 ]; do n=$(grep -l "^State:.Z" /proc/[0-9]*/status 2>/dev/null | wc -l); done; echo none';
      expect((await shell(containers, zombies)).stdout).toBe('none\n');
    });
  });

  it('ends what runs with TERM, the rest with KILL after the grace, and leaves nothing', async () => {
    const engine = engineWith();
    const containers = await opened(engine, { name: newName() });
    const stubborn = containers.exec('build', { argv: ['sh', '-c', 'trap "" TERM; while :; do sleep 1; done'] });
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
    expect(await thingsOf(containers.name)).toHaveLength(4);
    await containers.remove(1000);
    expect(stopping).toBe('ready\nbye\n');
    expect(await stubborn).toMatchObject({ kind: 'gone' });
    expect(await thingsOf(containers.name)).toEqual([]);
    await containers.remove(1000);
  });

  it('tells a container that is gone, or out of memory, from one that is there', async () => {
    const containers = await opened(engineWith({ memoryLimit: '32m', memoryLimitBytes: 32 * 1024 ** 2 }), {
      name: newName(),
    });
    await docker(['kill', `${containers.name}-helper`]);
    expect((await shell(containers, 'echo x', { role: 'helper' })).result).toEqual({
      kind: 'gone',
      reason: 'the helper container ended with 137; somebody stopped it, or the Docker engine was restarted',
    });
    // The kernel spares nobody: all of it is killed, the first process, too.
    const { result } = await shell(containers, 'dd if=/dev/zero of=/dev/null bs=200M count=1; kill -9 -1; sleep 60');
    expect(result).toEqual({
      kind: 'gone',
      reason: 'the build container ran out of memory (limit 32m, runner.executor.docker.memory_limit)',
    });
    expect(await containers.hits?.()).toHaveLength(1);
    const later = await engineWith().open(
      { name: containers.name, taskId: 7, image: undefined },
      { signal: never, say: () => undefined, resumed: true },
    );
    expect(later).toBeUndefined();
    await docker(['rm', '--force', `${containers.name}-build`]);
    expect((await shell(containers, 'echo x')).result).toMatchObject({
      kind: 'gone',
      reason: expect.stringContaining('removed') as string,
    });
    await containers.remove(0);
  });

  it('replaces what a killed runner had half made, and removes what it has made when the task is stopped', async () => {
    const name = newName();
    await docker([
      'create',
      '--name',
      `${name}-build`,
      '--label',
      `semaphoreui.com/pod-name=${name}`,
      busyboxImage,
      'true',
    ]);
    await docker(['volume', 'create', '--label', `semaphoreui.com/pod-name=${name}`, `${name}-workspace`]);
    const containers = await opened(engineWith(), { name });
    expect((await shell(containers, 'echo x')).stdout).toBe('x\n');
    await containers.remove(0);

    const abort = new AbortController();
    const stopped = newName();
    const opening = opened(engineWith({ helperImage: '127.0.0.1:1/none', pullPolicy: 'if-not-present' }), {
      name: stopped,
      signal: abort.signal,
      say: () => abort.abort(new Error('the task is to stop')),
    });
    await expect(opening).rejects.toThrow('the task is to stop');
    expect(await thingsOf(stopped)).toEqual([]);
  });

  it('sweeps what this runner has left, and nothing of another one, or of a task that is known', async () => {
    const [mine, other] = [engineWith({ cleanupGraceMs: 0 }), engineWith({}, process.env, `${owner}-other`)];
    const [kept, left, foreign] = await Promise.all([
      opened(mine, { name: newName() }),
      opened(mine, { name: newName() }),
      opened(other, { name: newName() }),
    ]);
    await docker(['rm', '--force', `${left.name}-build`]);
    expect(await mine.sweep(new Set([kept.name]))).toEqual([left.name]);
    expect(await thingsOf(left.name)).toEqual([]);
    for (const each of [kept, foreign]) {
      expect(await thingsOf(each.name)).toHaveLength(4);
      await each.remove(0);
    }
    expect(await mine.sweep(new Set())).toEqual([]);
  });
});
