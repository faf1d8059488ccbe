import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { variable } from '../agent/job-setup.ts';
import {
  busyboxImage,
  debianImage,
  docker,
  ensureImages,
  needsDocker,
  removeDockerThings,
  uniqueName,
} from '../support/docker/index.ts';
import { tempDir } from '../support/temp-dir.ts';
import { commands, composeExecutor, thingsOf, useTemporary } from './compose-support.ts';

/** What becomes of a job of docker compose that cannot start, or is stopped, and what it may be given (spec CI 6.2). */

const path = process.env['PATH'] ?? '';

function isolate(): string {
  const temporary = tempDir();
  useTemporary(temporary, onTestFinished);
  return temporary;
}

function projectIn(temporary: string): string {
  return readdirSync(temporary).find((entry) => entry.startsWith('semaphore-ci-')) ?? '';
}

describe('the preparation of a job in docker compose', () => {
  const compose = { containers: [{ name: 'main', image: debianImage }] };

  it('is refused on Windows, and without containers, with the reason in the log of the agent only', async () => {
    isolate();
    const windows = composeExecutor({ compose, platform: 'win32' });
    expect(await windows.executor.prepare()).toBe(1);
    expect(windows.agentLog).toEqual([expect.stringContaining('do not run on Windows')]);
    const empty = composeExecutor({ compose: {} });
    expect(await empty.executor.prepare()).toBe(1);
    expect(empty.agentLog).toEqual([expect.stringContaining('names no container')]);
    expect(await empty.executor.start()).toBe(1);
    expect([...windows.story, ...empty.story]).toEqual([]);
  });

  it('runs the setup commands on this host, in order, and ends with the first that fails', async () => {
    const temporary = isolate();
    const file = join(tempDir(), 'file');
    const { executor, agentLog, story } = composeExecutor({
      compose: {
        ...compose,
        host_setup_commands: [
          { directive: `echo "$BASH_VERSION" >${file}; echo said` },
          { directive: `test -s ${file} || exit 9; exit 3` },
          { directive: `rm ${file}` },
        ],
      },
    });
    expect(await executor.prepare()).toBe(1);
    expect(existsSync(file)).toBe(true);
    expect(agentLog).toEqual([
      expect.stringMatching(/has run on this host .*"output":"said\\n"/),
      expect.stringContaining('has run on this host'),
      expect.stringMatching(/has failed on this host .*"exit_code":3/),
    ]);
    expect(story).toEqual([]);
    await executor.stop();
    expect(projectIn(temporary)).toBe('');
  });

  it('ends a setup command when the job is stopped', async () => {
    isolate();
    const { executor } = composeExecutor({
      compose: { ...compose, host_setup_commands: [{ directive: 'sleep 600' }] },
    });
    const preparing = executor.prepare();
    await executor.stop();
    expect(await preparing).toBe(1);
    expect(await executor.start()).toBe(1);
  });

  it('fails where there is no docker compose, and says what to install', async () => {
    isolate();
    const bin = commands({ docker: '#!/bin/sh\necho "docker: \'compose\' is not a docker command." >&2; exit 1\n' });
    const { executor, agentLog } = composeExecutor({ compose, env: { PATH: bin } });
    expect(await executor.prepare()).toBe(1);
    expect(agentLog).toEqual([
      expect.stringMatching(/Neither `docker compose` nor `docker-compose`.*docker-compose-plugin/),
    ]);
  });

  it('leaves out files that are missing, or fails, as the agent is told', async () => {
    isolate();
    const files = [{ hostPath: '/nowhere/ca.pem', destination: '/etc/ca.pem' }];
    const lenient = composeExecutor({ compose, files });
    expect(await lenient.executor.prepare()).toBe(0);
    expect(lenient.agentLog).toEqual([expect.stringMatching(/the job goes on without it .*\/nowhere\/ca\.pem/)]);
    const strict = composeExecutor({ compose, files, failOnMissingFiles: true });
    expect(await strict.executor.prepare()).toBe(1);
    expect(strict.agentLog).toEqual([expect.stringMatching(/the job fails .*\/nowhere\/ca\.pem/)]);
  });

  it('adds the keys of the job to those of the user', async () => {
    isolate();
    const { executor, home } = composeExecutor({ compose, sshPublicKeys: [variable('', 'ssh-rsa AAAA me').value] });
    expect(await executor.prepare()).toBe(0);
    expect(existsSync(join(home, '.ssh/authorized_keys'))).toBe(true);
    const wrong = composeExecutor({ compose, sshPublicKeys: ['!'] });
    expect(await wrong.executor.prepare()).toBe(1);
    expect(wrong.agentLog).toEqual([expect.stringContaining('ssh_public_keys[0] of the job is not base64')]);
  });
});

describe.runIf(needsDocker())('a job in docker compose', () => {
  beforeAll(() => ensureImages(debianImage, busyboxImage), 600_000);

  it('fails with the words of the engine when there is no such image', async () => {
    const temporary = isolate();
    const pulls: string[] = [];
    const image = `127.0.0.1:1/${uniqueName('no-image')}:1`;
    const { executor, story } = composeExecutor({
      compose: { containers: [{ name: 'main', image }] },
      pulls: {
        started: () => pulls.push('started'),
        failed: () => pulls.push('failed'),
        ended: (ms) => pulls.push(ms > 0 ? 'ended' : 'no time'),
      },
    });
    expect(await executor.prepare()).toBe(0);
    expect(await executor.start()).toBe(1);
    expect(story[0]).toBe('$ Pulling docker images...');
    expect(story.join('')).toContain(`Pulling main (${image})`);
    expect(story.join('')).toMatch(/connection refused|pull access denied|not found/);
    expect(story.at(-1)).toBe('= 1');
    expect(pulls).toEqual(['started', 'failed', 'ended']);
    const project = projectIn(temporary);
    await executor.stop();
    expect(await thingsOf(project)).toEqual([]);
    expect(projectIn(temporary)).toBe('');
  });

  it('fails with what to do when there is no bash in the image', async () => {
    isolate();
    const { executor, story } = composeExecutor({
      compose: { containers: [{ name: uniqueName('nobash'), image: busyboxImage }] },
    });
    expect(await executor.prepare()).toBe(0);
    expect(await executor.start()).toBe(1);
    expect(story.slice(story.indexOf('$ Starting the docker image...'))).toEqual([
      '$ Starting the docker image...',
      'Starting a new bash session.\n',
      'Failed to start the docker image\n',
      expect.stringMatching(/exec: "bash": executable file not found in \$PATH.*[^\n]$/),
      '\nThe commands of a job run in bash: use an image that has it for the first container.\n',
      '= 1',
    ]);
  });

  it.each([
    ['a socket that nobody listens at', 'unix:///nowhere/docker.sock'],
    ['an address that nobody listens at', 'tcp://127.0.0.1:1'],
  ])('fails with what to do when the engine is away: %s', async (_name, host) => {
    isolate();
    const { executor, story } = composeExecutor({
      compose: { containers: [{ name: 'main', image: debianImage }] },
      env: { DOCKER_HOST: host },
    });
    expect(await executor.prepare()).toBe(0);
    expect(await executor.start()).toBe(1);
    expect(story).toEqual([
      '$ Pulling docker images...',
      expect.stringMatching(
        /^The Docker engine at \S+ does not answer: .*[^?.]\. Is it running on the host of the agent, and may the user of the agent use it\?\n$/,
      ),
      '= 1',
    ]);
    expect(story[1]).toContain(host);
  });

  it.each([
    [[{ name: 'my db', image: 'x' }], '"my db" cannot be the name of a container'],
    [
      [
        { name: 'a', image: 'x' },
        { name: 'a', image: 'x' },
      ],
      'Two containers of the job are called a',
    ],
    [[{ name: 'a', image: '' }], 'The container a has no image'],
  ])('fails with the reason when its containers make no sense: %j', async (containers, reason) => {
    isolate();
    const { executor, story } = composeExecutor({ compose: { containers } });
    expect(await executor.prepare()).toBe(0);
    expect(await executor.start()).toBe(1);
    expect(story).toEqual(['$ Pulling docker images...', expect.stringContaining(reason), '= 1']);
  });

  it('gets user, entrypoint and files; another job of the same name beside it does not get in its way', async () => {
    const temporary = isolate();
    const name = uniqueName('twin');
    onTestFinished(() => removeDockerThings(name));
    const file = join(tempDir(), 'a b.pem');
    writeFileSync(file, 'certificate\n', { mode: 0o644 });
    const setup = {
      compose: {
        containers: [
          { name, image: debianImage, user: 'runner', entrypoint: 'env VIA=entrypoint', command: 'never run' },
          { name: 'db', image: busyboxImage, command: 'sleep 600' },
        ],
      },
      files: [{ hostPath: file, destination: '/etc/ssl/ca.pem' }],
      stopGraceMs: 200,
    };
    const tests = [composeExecutor(setup), composeExecutor(setup)];
    const [first, second] = tests;
    expect(await Promise.all(tests.map(({ executor }) => executor.prepare()))).toEqual([0, 0]);
    const codes = await Promise.all(tests.map(({ executor }) => executor.start()));
    expect(codes, tests.flatMap(({ story, agentLog }) => [...story, ...agentLog]).join('\n')).toEqual([0, 0]);
    const names = (await docker(['ps', '--filter', `name=${name}`, '--format', '{{.Names}}']))
      .split('\n')
      .filter((text) => !text.startsWith('semaphore-ci-'));
    expect(names.toSorted()).toEqual([name, expect.stringMatching(new RegExp(`^${name}-[0-9a-f]{8}$`))]);
    for (const { executor } of tests) {
      expect(await executor.evaluate('whoami; echo $VIA; cat /etc/ssl/ca.pem')).toEqual({
        output: 'runner\nentrypoint\ncertificate\n',
        exitCode: 0,
      });
      expect(await executor.exportVariables([variable('A', 'b')], [])).toBe(0);
      expect((await executor.evaluate('echo $A; getent hosts db | wc -l')).output).toBe('b\n1\n');
    }
    // The end of one leaves the other alone.
    await first?.executor.stop();
    expect(await second?.executor.evaluate('getent hosts db | wc -l')).toEqual({ output: '1\n', exitCode: 0 });
    await second?.executor.stop();
    expect(projectIn(temporary)).toBe('');
    expect(await docker(['ps', '--all', '--quiet', '--filter', `name=${name}`])).toBe('');
  });

  it('ends with everything it has started when it is stopped: TERM first, and no command after that', async () => {
    const temporary = isolate();
    const { executor, story } = composeExecutor({
      compose: { containers: [{ name: uniqueName('stop'), image: debianImage }] },
      stopGraceMs: 20_000,
    });
    expect(await executor.prepare()).toBe(0);
    expect(await executor.start()).toBe(0);
    const project = projectIn(temporary);
    await executor.run({ directive: 'setsid nohup sleep 600 >/dev/null 2>&1 & sleep 601 & disown' });
    const script = `bash -c 'trap "echo cleaning; exit 1" TERM; echo up; while :; do sleep 0.05; done'; echo never`;
    const running = executor.run({ directive: script });
    await vi.waitFor(() => expect(story).toContain('up\n'), { timeout: 30_000, interval: 20 });
    await executor.stop();
    expect(await running).toBe(1);
    expect(story.join('')).toContain('cleaning\n');
    expect(story.join('')).not.toContain('never\n');
    expect(await thingsOf(project)).toEqual([]);
    expect(await executor.run({ directive: 'echo more' })).toBe(1);
  });

  it.each(['$ Pulling docker images...', '$ Starting the docker image...', 'Starting a new bash session.\n'])(
    'leaves nothing when it is stopped at: %j',
    async (moment) => {
      const temporary = isolate();
      let project = '';
      let stopped: Promise<void> | undefined;
      const { executor, story } = composeExecutor({
        compose: {
          containers: [
            { name: uniqueName('early'), image: debianImage },
            { name: 'db', image: busyboxImage, command: 'sleep 600' },
          ],
        },
        stopGraceMs: 200,
        onEvent: (text) => {
          if (text !== moment) return;
          project = projectIn(temporary);
          // A moment later, when compose is at work.
          stopped ??= new Promise((resolve) => setTimeout(() => void executor.stop().then(resolve), 700));
        },
      });
      expect(await executor.prepare()).toBe(0);
      expect(await executor.start()).toBe(1);
      expect(story.at(-1)).toBe('= 1');
      await stopped;
      expect(await thingsOf(project)).toEqual([]);
      expect(projectIn(temporary)).toBe('');
    },
  );

  it('runs with the compose plug-in, too (a stand-in: Debian has none)', async () => {
    isolate();
    const calls = join(tempDir(), 'calls');
    // Says what a plug-in says, and hands its work to the real standalone program.
    const bin = commands({
      docker: `#!/bin/bash
echo "docker $1" >>${calls}
[ "$1" = compose ] || { PATH=$\{PATH#*:}; exec docker "$@"; }
shift
[ "$1" = version ] && { echo; echo 'Docker Compose version v2.40.3'; exit; }
PATH=$\{PATH#*:} exec docker-compose "$@"
`,
      'docker-compose': `#!/bin/sh\necho standalone >>${calls}\nexit 1\n`,
    });
    const { executor, story } = composeExecutor({
      compose: { containers: [{ name: uniqueName('plugin'), image: debianImage }] },
      env: { PATH: `${bin}:${path}` },
    });
    expect(await executor.prepare()).toBe(0);
    expect(await executor.start(), story.join('\n')).toBe(0);
    expect(await executor.evaluate('echo in; exit 4')).toEqual({ output: 'in\n', exitCode: 1 });
    const called = readFileSync(calls, 'utf8');
    expect(called).toContain('docker compose\n');
    expect(called).not.toContain('standalone');
  });

  it('gets /dev/kvm where this host has it and the agent is told to, else not', async () => {
    isolate();
    const compose = { containers: [{ name: uniqueName('kvm'), image: debianImage }] };
    const { executor, agentLog } = composeExecutor({ compose, exposeKvm: true });
    expect(await executor.prepare()).toBe(0);
    const hasKvm = existsSync('/dev/kvm');
    expect(agentLog).toEqual(hasKvm ? [] : [expect.stringContaining('do not get /dev/kvm: this host has none')]);
    expect(await executor.start()).toBe(0);
    expect((await executor.evaluate('test -e /dev/kvm')).exitCode).toBe(hasKvm ? 0 : 1);
  });
});
