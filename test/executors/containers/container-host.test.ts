import { readdirSync, readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type {
  ContainerRole,
  ExecRequest,
  ExecResult,
  TaskContainers,
} from '../../../src/executors/containers/engine.ts';
import {
  busyboxImage,
  debianImage,
  docker,
  dockerNames,
  ensureImages,
  needsDocker,
} from '../../support/docker/index.ts';
import {
  containerTask,
  outputOf,
  script,
  sharedContainers,
  testEngine,
  type ContainerTask,
} from '../../support/containers/index.ts';

/** Command lines of all processes of the container. */
async function processesOf(containers: TaskContainers): Promise<string> {
  return await outputOf(containers, 'cat /proc/[0-9]*/cmdline | tr "\\000" " "');
}

/** Command lines of all processes of this machine. */
function hostArguments(): string {
  const read = (pid: string): string => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
    } catch {
      return '';
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(read)
    .join('\n');
}

/** An exec whose connection is lost after so many milliseconds. */
async function cutAfter(
  containers: TaskContainers,
  role: ContainerRole,
  request: ExecRequest,
  ms: number | undefined,
): Promise<ExecResult> {
  if (ms === undefined) return await containers.exec(role, request);
  const cut = new AbortController();
  const timer = setTimeout(() => cut.abort(), ms);
  request.signal?.addEventListener('abort', () => cut.abort());
  const result = await containers.exec(role, { ...request, signal: cut.signal });
  clearTimeout(timer);
  return result;
}

const patience = { timeout: 30_000, interval: 50 };

describe.runIf(needsDocker())('steps in containers', { timeout: 120_000 }, () => {
  const owner = dockerNames('steps');
  const userImage = `${owner}:user`;
  beforeAll(async () => {
    await ensureImages(busyboxImage, debianImage);
    // As in the images of Semaphore: a user who is not root; and a variable that is not the task's.
    await docker(['build', '--tag', userImage, '-'], {
      input: `FROM ${debianImage}\nENV FROM_IMAGE=yes\nUSER 1001:0\n`,
    });
  }, 600_000);

  describe.each([
    ['busybox', busyboxImage],
    ['Debian, whose user is not root', userImage],
  ])('of %s', (_name, image) => {
    const shared = sharedContainers(owner, () => image);
    let containers: TaskContainers;
    let task: ContainerTask;
    beforeEach(async () => {
      containers = await shared.open();
      task = await containerTask(containers);
    }, 120_000);

    it('write both streams in their order, by name too, and end with their code', async () => {
      const { host } = task.live();
      const step = script('run', 'echo out; echo err >&2; echo named >/dev/stderr; echo too >/dev/stdout; exit 7');
      expect(await host.run(step)).toEqual({ kind: 'exited', code: 7 });
      expect(task.log()).toBe('out\nerr\nnamed\ntoo\n');
      expect(await host.tail('run', 5)).toBe('\ntoo\n');
      expect(await host.run(script('killed', 'kill -SEGV $$'))).toEqual({ kind: 'signalled', signal: 'SIGSEGV' });
    });

    it('get their arguments and environment byte for byte, and nothing else', async () => {
      const { host } = task.live();
      const odd = `a'b"c\\d $HOME \`id\` *\n\ttwo\r\n  ü\u0001 #end\n\n`;
      const env = {
        PATH: '/usr/bin:/bin',
        ODD: odd,
        EMPTY: '',
        UID: '7',

        'no-name': 'x',
        spec: '1',
        dir: '/',
      };
      const print = script('run', 'printf "<%s>" "$@"; cat /proc/$$/environ', {
        args: [
          '-c',
          'printf "<%s>" "$@"; cat /proc/self/environ; umask; read -r x; echo "$? at end"',
          'sh',
          odd,
          '',
          '-n',
          '~',
        ],
        env,
      });
      expect(await host.run(print)).toEqual({ kind: 'exited', code: 0 });
      const [args = '', rest = ''] = task.log().split(/(?<=<~>)/);
      expect(args).toBe(`<${odd}><><-n><~>`);
      expect(rest).toMatch(/0022\n1 at end\n$/);
      const variables = rest.slice(0, rest.lastIndexOf('\0')).split('\0').sort();
      const expected = ['PATH=/usr/bin:/bin', `ODD=${odd}`, 'EMPTY=', 'spec=1', 'dir=/', 'PWD=/workspace'];
      // Shells keep these to themselves, or bring them.
      const ownOfShells = /^(UID|SHLVL|OLDPWD|_)=/;
      expect(variables.filter((one) => !ownOfShells.test(one))).toEqual(expected.sort());
    });

    it('say why they cannot be started, as on this machine', async () => {
      const { host } = task.live();
      await outputOf(containers, 'echo text > /workspace/plain');
      const runWith = (changes: object) => host.run(script('run', 'true', changes));
      expect(await runWith({ command: 'no-such-tool' })).toEqual({
        kind: 'unstartable',
        code: 'ENOENT',
        message: 'no-such-tool was not found in PATH (/usr/bin:/bin)',
      });
      expect(await runWith({ command: './plain' })).toMatchObject({ kind: 'unstartable', code: 'EACCES' });
      expect(await runWith({ command: 'echo', env: { PATH: '/nowhere' } })).toMatchObject({ code: 'ENOENT' });
      expect(await runWith({ cwd: '/no/such' })).toEqual({
        kind: 'unstartable',
        code: 'ENOENT',
        message: 'the working directory /no/such does not exist in the container',
      });
      expect(await runWith({ args: ['-c', 'true', 'x'.repeat(131_072)] })).toMatchObject({ code: 'E2BIG' });
      expect(await runWith({ args: ['-c', 'a\0b'] })).toMatchObject({ kind: 'unstartable', code: 'EINVAL' });
      expect(task.log()).toBe('');
    });

    it('take what is as long as the system allows', async () => {
      const { host } = task.live();
      const long = "it's long ".repeat(12_000);
      const env = Object.fromEntries(Array.from({ length: 8 }, (_value, index) => [`LONG_${index}`, long]));
      const step = script('run', 'echo ${#LONG_0} ${#LONG_7} ${#1}', { env: { PATH: '/usr/bin:/bin', ...env } });
      expect(await host.run({ ...step, args: [...step.args, 'sh', long] })).toEqual({ kind: 'exited', code: 0 });
      expect(task.log()).toBe('120000 120000 120000\n');
    });

    it('are seen while they run, with lines of ours in between, and lose no byte of much output', async () => {
      const { host } = task.live();
      const run = host.run(script('run', 'printf first; until [ -e /workspace/go ]; do sleep 0.1; done; echo second'));
      await vi.waitFor(() => expect(task.log()).toBe('first'), patience);
      expect(await host.tail('run')).toBe('first');
      host.log('ours');
      host.remark('a remark');
      await outputOf(containers, 'touch /workspace/go');
      expect(await run).toEqual({ kind: 'exited', code: 0 });
      expect(task.log()).toBe('first\nours\na remark\nsecond\n');
      const before = task.log().length;
      expect(
        await host.run(script('much', 'i=0; while [ $i -lt 200 ]; do i=$((i+1)); head -c 99991 /dev/zero; echo; done')),
      ).toEqual({ kind: 'exited', code: 0 });
      const much = task.log().slice(before);
      expect(much.length).toBe(200 * 99_992);
      expect(much.split('\n')).toHaveLength(201);
    });

    it('leave nothing of themselves, whoever holds on to their output', async () => {
      const { host } = task.live();
      const group = script('group', 'sleep 300 & echo started');
      const away = script('away', 'setsid sh -c "sleep 301" & echo away');
      expect(await host.run(group)).toEqual({ kind: 'exited', code: 0 });
      expect(await processesOf(containers)).not.toContain('sleep 300');
      expect(await host.run(away)).toEqual({ kind: 'exited', code: 0 });
      expect(task.log()).toBe('started\naway\n');
    });

    it('are stopped with their signal, and have their grace', async () => {
      const life = task.live();
      const trap = script(
        'run',
        'trap "echo got INT; sleep 0.3; echo cleaned; exit 3" INT; echo ready; while :; do sleep 0.1; done',
        {
          stop: { signal: 'SIGINT', graceMs: 20_000 },
        },
      );
      const run = life.host.run(trap);
      await vi.waitFor(() => expect(task.log()).toContain('ready'), patience);
      life.stop();
      expect(await run).toEqual({ kind: 'stopped' });
      expect(task.log()).toBe('ready\ngot INT\ncleaned\n');
      expect(await life.host.run(trap)).toEqual({ kind: 'stopped' });
    });

    it('are killed after it, with all that they have started, wherever that went', async () => {
      const life = task.live();
      const stubborn =
        'trap "" TERM; (setsid sh -c "trap \'\' TERM; while :; do sleep 77; done" &) ; echo ready; while :; do sleep 78; done';
      const run = life.host.run(script('run', stubborn, { stop: { signal: 'SIGTERM', graceMs: 500 } }));
      await vi.waitFor(() => expect(task.log()).toContain('ready'), patience);
      life.stop();
      expect(await run).toEqual({ kind: 'stopped' });
      await vi.waitFor(async () => expect(await processesOf(containers)).not.toMatch(/sleep 7[78]/), patience);
      // The container itself is not touched.
      expect(await outputOf(containers, 'echo here')).toBe('here\n');
    });

    it('are taken over by the next runner, which goes on where the one before was', async () => {
      const first = task.live();
      const step = script(
        'run',
        'i=0; until [ -e /workspace/go ]; do i=$((i+1)); echo $i; sleep 0.02; done; echo end; exit 5',
      );
      void first.host.run(step);
      await vi.waitFor(() => expect(task.log()).toMatch(/\n10\n/), patience);
      first.host.log('between');
      await vi.waitFor(() => expect(task.log()).toMatch(/between\n\d+\n/), patience);
      const second = task.live({ before: first });
      // Before it comes to the step.
      second.host.remark('the second');
      const run = second.host.run(step);
      await outputOf(containers, 'touch /workspace/go');
      expect(await run).toEqual({ kind: 'exited', code: 5 });
      const lines = task.log().split('\n');
      expect(lines).toContain('between');
      const numbers = lines.filter((line) => /^\d+$/.test(line)).map(Number);
      expect(numbers).toEqual(Array.from(numbers, (_value, index) => index + 1));
      expect(lines.slice(-2)).toEqual(['end', '']);
      const third = task.live({ before: second });
      expect(await third.host.run(step)).toEqual({ kind: 'exited', code: 5 });
    });

    it('are not started twice when nobody knows whether they were', async () => {
      const first = task.live();
      const step = script('run', 'echo run >> /workspace/runs; echo ran');
      first.directory.record({ type: 'step-starting', key: 'run', index: 1, stop: step.stop });
      const second = task.live({ before: first });
      expect(await second.host.run(step)).toEqual({ kind: 'exited', code: 0 });
      const third = task.live({ before: second });
      expect(await third.host.run(step)).toEqual({ kind: 'exited', code: 0 });
      expect(await outputOf(containers, 'cat /workspace/runs')).toBe('run\n');
      expect(task.log()).toBe('ran\n');
    });

    it('go on reading when the connection is lost, and get their order only once', async () => {
      let execs = 0;
      const shaky: TaskContainers = {
        ...containers,
        name: containers.name,
        remove: () => Promise.resolve(),
        exec: async (role, request) => {
          execs += 1;
          return await cutAfter(containers, role, request, execs < 6 ? 300 * execs : undefined);
        },
      };
      const { host } = task.live({ containers: shaky });
      const step = script(
        'run',
        'echo run >> /workspace/runs; i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo $i; sleep 0.05; done',
      );
      expect(await host.run(step)).toEqual({ kind: 'exited', code: 0 });
      expect(execs).toBeGreaterThan(3);
      expect(task.log()).toBe(Array.from({ length: 60 }, (_value, index) => `${index + 1}\n`).join(''));
      expect(await outputOf(containers, 'cat /workspace/runs')).toBe('run\n');
    });

    it('are started again when what they are to run did not come as a whole', async () => {
      let execs = 0;
      const cutting: TaskContainers = {
        name: containers.name,
        remove: () => Promise.resolve(),
        exec: async (role, request) => {
          execs += 1;
          const input = execs === 1 ? request.input?.subarray(0, 400) : request.input;
          return await containers.exec(role, { ...request, input });
        },
      };
      const { host } = task.live({ containers: cutting });
      expect(await host.run(script('run', 'echo run >> /workspace/runs; echo ran'))).toEqual({
        kind: 'exited',
        code: 0,
      });
      expect(execs).toBe(2);
      expect(await outputOf(containers, 'cat /workspace/runs')).toBe('run\n');
    });

    it('do nothing to one that has their directory after them', async () => {
      expect(await task.live().host.run(script('run', 'echo one'))).toEqual({ kind: 'exited', code: 0 });
      const next = await containerTask(containers);
      expect(await next.live().host.run(script('run', 'sleep 1; echo two'))).toEqual({ kind: 'exited', code: 0 });
      expect(next.log()).toBe('two\n');
    });

    it('are given what they ask for, as it comes', async () => {
      const { host } = task.live();
      const stdin = new PassThrough();
      const run = host.run({ ...script('run', 'printf "name? "; read -r name; echo "hello $name"; cat'), stdin });
      await vi.waitFor(() => expect(task.log()).toBe('name? '), patience);
      stdin.write('world\n');
      await vi.waitFor(() => expect(task.log()).toBe('name? hello world\n'), patience);
      stdin.end('last');
      expect(await run).toEqual({ kind: 'exited', code: 0 });
      expect(task.log()).toBe('name? hello world\nlast');
      const deaf = new PassThrough();
      expect(await host.run({ ...script('deaf', 'exit 4'), stdin: deaf })).toEqual({ kind: 'exited', code: 4 });
    });

    it('can be read for what they print, apart from what they complain of', async () => {
      const { host } = task.live();
      const both = script('read', 'echo out; echo err >&2; echo more; echo last >&2; exit 3');
      expect(await host.capture(both)).toEqual({
        result: { kind: 'exited', code: 3 },
        stdout: 'out\nmore\n',
        stderr: 'err\nlast\n',
      });
      expect(await host.assist(script('silent', 'true'))).toEqual({
        result: { kind: 'exited', code: 0 },
        stdout: '',
        stderr: '',
      });
      expect((await host.capture(script('none', '', { command: 'no-such' }))).result).toMatchObject({ code: 'ENOENT' });
      const endless = await host.assist(script('endless', 'cat /dev/zero'));
      expect(endless.result).toEqual({ kind: 'signalled', signal: 'SIGKILL' });
      expect(await processesOf(containers)).not.toContain('/dev/zero');
      expect(task.log()).toBe('');
    });
  });

  it('keep what is secret out of arguments, files and what the engine tells', async () => {
    const shared = await containerTask(await sharedSecret.open());
    const secret = 'f2a9c81e-in-the-environment';
    const { host } = shared.live();
    const containers = await sharedSecret.open();
    const step = script('run', 'echo ready; until [ -e /workspace/go ]; do sleep 0.1; done', {
      env: { PATH: '/usr/bin:/bin', SECRET: secret },
    });
    const run = host.run({ ...step, args: [...step.args, 'sh'], stdin: undefined });
    await vi.waitFor(() => expect(shared.log()).toContain('ready'), patience);
    const asked = await Promise.all(
      ['build', 'helper'].map(async (role) => {
        const id = `${sharedSecret.name}-${role}`;
        const inspected = await docker(['inspect', id]);
        const execs = [...inspected.matchAll(/"([0-9a-f]{64})"/g)].map(([, exec]) => exec ?? '');
        return inspected + (await docker(['top', id, '-eo', 'pid,args'])) + execs.join('\n');
      }),
    );
    const onHost = await docker(['version']).then(() => hostArguments());
    const files = await outputOf(containers, 'cat /workspace/.semaphore-build/*/* 2>/dev/null; ls -aR /secrets /tmp');
    for (const text of [...asked, onHost, files]) expect(text).not.toContain(secret);
    await outputOf(containers, 'touch /workspace/go');
    expect(await run).toEqual({ kind: 'exited', code: 0 });
  });
  const sharedSecret = sharedContainers(owner, () => debianImage);

  it('say what their image lacks', async () => {
    const image = `${owner}:lacking`;
    await docker(['build', '--tag', image, '-'], { input: `FROM ${debianImage}\nRUN rm /usr/bin/setsid\n` });
    const task = await containerTask(await sharedContainers(owner, () => image).open());
    const { host } = task.live();
    expect(await host.run(script('run', 'true'))).toEqual({
      kind: 'unstartable',
      code: 'ENOENT',
      message: 'setsid, which every process needs, is not in the image of the build container',
    });
  });

  it('tell of containers that are gone, with the reason of the engine', async () => {
    const shared = sharedContainers(owner, () => busyboxImage, 'gone');
    const containers = await shared.open();
    const task = await containerTask(containers);
    const { host } = task.live();
    const run = host.run(script('run', 'echo ready; sleep 300'));
    await vi.waitFor(() => expect(task.log()).toContain('ready'), patience);
    await docker(['rm', '--force', `${shared.name}-build`]);
    // What the engine sees first.
    expect(await run).toEqual({
      kind: 'gone',
      reason: expect.stringMatching(/^the build container (was removed by somebody else|ended with 137)/),
    });
    expect(await host.run(script('next', 'true'))).toMatchObject({ kind: 'gone' });
    expect(await host.capture(script('read', 'true'))).toMatchObject({ result: { kind: 'gone' } });
  });

  it('are stopped when their output cannot be written, and say so', async () => {
    const name = `${owner}-full`;
    const keepAlive = ['/bin/sh', '-c', 'while :; do sleep 1; done'];
    const run = ['run', '--detach', '--init', '--network=none', `--name=${name}-build`, '--tmpfs=/workspace:size=1m'];
    await docker([...run, debianImage, ...keepAlive]);
    const task = await containerTask(testEngine(owner).find(name));
    const { host } = task.live();
    const step = script(
      'run',
      'trap "exit 3" TERM; echo begin; head -c 3000000 /dev/zero; while :; do sleep 0.1; done',
    );
    expect(await host.run(step)).toEqual({
      kind: 'unlogged',
      reason: expect.stringContaining('No space left on device'),
    });
    expect(task.log()).toMatch(/^begin\n/);
  });

  it('tell of processes that killed all others', async () => {
    const shared = sharedContainers(owner, () => busyboxImage, 'killer');
    const task = await containerTask(await shared.open());
    const { host } = task.live();
    const supervisors = 'for p in /proc/[0-9]*; do read -r x </proc/self/stat; kill -9 ${p#/proc/} 2>/dev/null; done';
    const result = await host.run(script('run', `kill -STOP 1; ${supervisors}`));
    expect(result).toMatchObject({ kind: 'gone' });
  });
});
