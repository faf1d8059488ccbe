import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { RunnerConfig } from '../../../src/config/index.ts';
import type { ContainerEngine, ContainerRole, TaskContainers } from '../../../src/executors/containers/engine.ts';
import { prepareContainers } from '../../../src/executors/containers/facts.ts';
import { execInContainer } from '../../../src/executors/docker-engine/exec-in-container.ts';
import { dockerCommand } from '../../../src/executors/docker-engine/connection.ts';
import { createDockerEngine } from '../../../src/executors/docker-engine.ts';
import { createContainerPlace } from '../../../src/executors/index.ts';
import { runTask } from '../../../src/tasks/index.ts';
import { containerTask, outputOf } from '../../support/containers/index.ts';
import { dockerConfig, opened } from '../../support/docker-tasks.ts';
import {
  ansibleImage,
  debianImage,
  docker,
  dockerNames,
  ensureImages,
  needsDocker,
} from '../../support/docker/index.ts';
import { startGitHttp } from '../../support/git-http.ts';
import { TestRepository } from '../../support/git-repository.ts';
import { makeKey, startSshd, type TestSshd } from '../../support/sshd.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { needs } from '../../support/tools.ts';
import { configuration, delivered, type JobParts } from '../../tasks/support.ts';

type Users = Partial<Record<ContainerRole, string>>;

interface TryOptions {
  config?: Partial<RunnerConfig>;
  /** Users (`uid:gid`) that the containers run as, instead of that of the image. */
  users?: Users;
}

describe.runIf(needsDocker() && needs('ssh') && needs('sshd') && needs('git'))(
  'what is brought into containers',
  { timeout: 120_000 },
  () => {
    const owner = dockerNames('trees');
    const name = `${owner}-task`;
    const executorConfig = dockerConfig({ image: `${owner}:user`, network: 'host' });
    const engine = createDockerEngine({ config: executorConfig, owner, env: process.env });
    let containers: TaskContainers;
    let directory: string;
    let sshd: TestSshd;
    let privateKey: string;
    beforeAll(async () => {
      await ensureImages(debianImage, ansibleImage);
      await docker(['build', '--tag', executorConfig.image, '-'], { input: `FROM ${ansibleImage}\nUSER 1001:0\n` });
      containers = await opened(engine, { name });
      directory = mkdtempSync(join(tmpdir(), 'semaphore-trees-'));
      sshd = await startSshd(directory);
      const key = makeKey(directory);
      sshd.authorize(key.publicKey);
      ({ privateKey } = key);
    }, 600_000);
    afterAll(async () => {
      await sshd.close();
      rmSync(directory, { recursive: true, force: true });
      await containers.remove(0);
    }, 120_000);

    const inHelper = (user: string, ...argv: string[]) => docker(['exec', '--user', user, `${name}-helper`, ...argv]);

    /** The containers as if an engine had started them with other users. */
    function containersAs(users: Users): TaskContainers {
      return {
        name,
        remove: () => Promise.resolve(),
        exec: (role, request) => {
          const user = users[role];
          if (user === undefined) return containers.exec(role, request);
          const command = dockerCommand(executorConfig, process.env, `docker-${owner}`);
          const target = { docker: command, container: `${name}-${role}`, role, memoryLimit: undefined };
          return execInContainer({ ...target, user }, request);
        },
      };
    }

    /** A task of its own in the containers that all have, which hold nothing of the one before. */
    async function attempt(parts: JobParts, { config: changes, users = {} }: TryOptions = {}) {
      await inHelper('0:0', 'sh', '-c', 'cd /workspace && rm -rf * .semaphore-* /secrets/* && chown 1001:0 . /secrets');
      const given = containersAs(users);
      const shared: ContainerEngine = {
        type: engine.type,
        check: () => engine.check(),
        find: () => given,
        sweep: (names) => engine.sweep(names),
        open: () => Promise.resolve(given),
      };
      const base = configuration(tempDir(), changes);
      const executor = { ...base.runner.executor, type: 'docker', docker: executorConfig } as const;
      const config = { ...base, runner: { ...base.runner, executor } };
      const task = await containerTask(given);
      const { host } = task.live();
      const openPlace = createContainerPlace({ engine: shared, config, hostEnv: {}, name });
      return { run: () => runTask({ ...delivered(parts), config, host, openPlace }), log: () => task.log() };
    }

    it('takes the inventory of another repository beside that of the task, with a key of its own', async () => {
      const root = tempDir();
      const playbook =
        '- hosts: all\n  gather_facts: false\n  tasks:\n    - debug: {msg: "{{ greeting }} from {{ inventory_file }} in {{ playbook_dir }}"}\n';
      new TestRepository(join(root, 'main')).commit({ 'site.yml': playbook, 'hosts/prod.ini': 'wrong\n' });
      new TestRepository(join(root, 'hosts')).commit({
        'hosts/prod.ini': 'localhost ansible_connection=local greeting=hello\n',
      });
      const plain = await startGitHttp({ root });
      const guarded = await startGitHttp({ root, credentials: { login: 'hosts', password: 'hosts-pa55' } });
      const inventoryUrl = `${guarded.origin}/hosts/origin.git`;
      const { log, run } = await attempt({
        template: { app: 'ansible', playbook: 'site.yml' },
        repository: { git_url: `${plain.origin}/main/origin.git` },
        inventory: { type: 'file', inventory: 'hosts/prod.ini', repository_id: 8 },
        job: {
          inventory_repository: {
            id: 8,
            name: 'h',
            project_id: 7,
            git_url: inventoryUrl,
            git_branch: 'main',
            ssh_key_id: 15,
          },
        },
        keys: { 15: { type: 'login_password', login_password: { login: 'hosts', password: 'hosts-pa55' } } },
      });
      expect({ outcome: await run(), log: log() }).toMatchObject({ outcome: { kind: 'success' } });
      expect(log()).toContain(`cloning inventory repository\nCloning Repository ${inventoryUrl}\n`);
      expect(log()).toContain('hello from /workspace/clone-inventory/hosts/prod.ini in /workspace/repo"');
      expect(plain.requests.map(({ authorization }) => authorization)).not.toContain('hosts:hosts-pa55');
      expect(await outputOf(containers, 'grep -r pa55 /workspace; ls -A /secrets')).toBe('');
    });

    it("copies the administrator's ssh files, which git goes by and only the task may read", async () => {
      const repository = new TestRepository();
      repository.commit({
        'run.sh':
          'stat -c "%n %a %U" /secrets/ssh /secrets/ssh/*; echo "<$(cat /secrets/ssh/config)>"; echo "<$(cat /secrets/ssh/known_hosts)>"\n',
      });
      // The name is known by this file only.
      const sshConfig = `# 100% "ours"\nHost code.test\n  HostName 127.0.0.1\n  Port ${sshd.port}\n`;
      const configPath = join(directory, 'ssh config');
      const knownHostsFile = join(directory, 'known_hosts');
      writeFileSync(configPath, sshConfig, { mode: 0o644 });
      writeFileSync(knownHostsFile, `${sshd.knownHostsLine}\n`);
      const ssh = { configPath, knownHostsFile, strictHostKeyChecking: 'yes' } as const;
      const parts = {
        repository: { git_url: `ssh://${sshd.user}@code.test${repository.bare}`, ssh_key_id: 11 },
        keys: { 11: { type: 'ssh', ssh: { login: '', passphrase: '', private_key: privateKey } } },
      };
      const known = await attempt(parts, { config: { ssh } });
      expect({ outcome: await known.run(), log: known.log() }).toMatchObject({ outcome: { kind: 'success' } });
      expect(known.log()).toContain(
        [
          '/secrets/ssh 700 runner\n/secrets/ssh/config 600 runner\n/secrets/ssh/known_hosts 600 runner',
          `<${sshConfig.trimEnd()}>`,
          `<${sshd.knownHostsLine}>\n`,
        ].join('\n'),
      );
      expect(await outputOf(containers, 'ls -A /secrets')).toBe('');
      const other = makeKey(directory, { name: 'other_host' });
      writeFileSync(knownHostsFile, `[127.0.0.1]:${sshd.port} ${other.publicKey}`);
      const unknown = await attempt(parts, { config: { ssh } });
      expect(await unknown.run()).toEqual({
        kind: 'failed',
        reason: expect.stringMatching(
          /^Task failed in clone: the host key of ssh:\/\/code\.test\/\S+ is not the known one\. .* ssh\.known_hosts_file\.$/,
        ),
      });
    });

    it.each([
      ['ssh.config_path', { configPath: '/nowhere/ssh-config' }, '/nowhere/ssh-config cannot be read: ENOENT'],
      ['ssh.known_hosts_file', { knownHostsFile: tmpdir() }, `${tmpdir()} cannot be read: EISDIR`],
    ])('names %s when that file cannot be read', async (key, files, what) => {
      const ssh = { configPath: undefined, knownHostsFile: undefined, strictHostKeyChecking: 'yes', ...files } as const;
      const { log, run } = await attempt({ repository: { git_url: directory } }, { config: { ssh } });
      const outcome = await run();
      expect(outcome).toEqual({ kind: 'failed', reason: expect.stringContaining(`Task failed in prepare: ${what}`) });
      expect(outcome).toEqual({ kind: 'failed', reason: expect.stringMatching(new RegExp(`Correct ${key}\\.$`)) });
      expect(log()).not.toContain('Copying');
    });

    describe('by root, for a user who is not', () => {
      const users = { helper: '0:0' };
      /** Everything in the repository is the user's and can be changed, what links lead to is not. */
      const change = [
        'set -e; echo "I am $(id -u)"; find /workspace/repo ! -user 1001; find /workspace/repo ! -group 0',
        'echo more >> deep/file; touch deep/made .git/made; rm run.sh; ln -s x link; mkdir made',
        'stat -c "passwd of %U" /etc/passwd; stat -c "%a %U %n" /workspace /secrets',
        'git -c user.name=T -c user.email=t@example.com commit -qam Mine; git log --format=%s',
      ].join('\n');

      it('gives volumes and a clone to that user', async () => {
        const root = tempDir();
        const repository = new TestRepository(join(root, 'main'));
        symlinkSync('/etc/passwd', join(repository.work, 'outside'));
        symlinkSync('/nowhere', join(repository.work, 'dangling'));
        repository.commit({ 'run.sh': change, 'deep/file': 'x\n' }, 'Theirs');
        const server = await startGitHttp({ root, credentials: { login: 'a', password: 'clone-pa55' } });
        const { log, run } = await attempt(
          {
            repository: { git_url: `${server.origin}/main/origin.git`, ssh_key_id: 11 },
            keys: { 11: { type: 'login_password', login_password: { login: 'a', password: 'clone-pa55' } } },
          },
          { users },
        );
        await inHelper('0:0', 'chown', '0:0', '/workspace', '/secrets');
        expect({ outcome: await run(), log: log() }).toMatchObject({ outcome: { kind: 'success' } });
        expect(log()).toMatch(
          /I am 1001\npasswd of root\n755 runner \/workspace\n700 runner \/secrets\nMine\nTheirs\n$/,
        );
        expect(await inHelper('0:0', 'stat', '-c', '%U', '/etc/passwd')).toBe('root');
      });

      it('gives a repository of the runner to that user', async () => {
        const repository = new TestRepository();
        symlinkSync('/nowhere', join(repository.work, 'dangling'));
        repository.commit({ 'run.sh': change, 'deep/file': 'x\n' }, 'Theirs');
        const { log, run } = await attempt({ repository: { git_url: repository.work } }, { users });
        expect({ outcome: await run(), log: log() }).toMatchObject({ outcome: { kind: 'success' } });
        expect(log()).toMatch(/I am 1001\npasswd of root\n.*\n.*\nMine\nTheirs\n$/);
      });

      it('is refused where nobody could do that', async () => {
        const { signal } = new AbortController();
        await expect(prepareContainers(containersAs({ helper: '1002:0' }), signal)).rejects.toMatchObject({
          message: 'The image of the task runs as user 1001, the helper image as user 1002',
          hint: 'Let both run as the same user, or the helper image as root.',
        });
        const sameUser = containersAs({ helper: '1002:0', build: '1002:0' });
        await expect(prepareContainers(sameUser, signal)).rejects.toMatchObject({
          message: 'The volumes of the task cannot be written by user 1002.',
          hint: expect.stringContaining('Let the helper image run as root'),
        });
      });
    });

    describe('a clone', () => {
      const withServer = async (failures: (number | 'silence')[], gitAttempts: number) => {
        const root = tempDir();
        new TestRepository(join(root, 'main')).commit({ 'run.sh': 'echo "ran after all"\n' });
        const server = await startGitHttp({ root, failures });
        const url = `${server.origin}/main/origin.git`;
        return { ...(await attempt({ repository: { git_url: url } }, { config: { gitAttempts } })), server, url };
      };
      const refused = (url: string, status: number) =>
        `fatal: unable to access '${url}/': The requested URL returned error: ${status}`;

      it('is tried again as often as configured, and says so', async () => {
        const { log, run, url } = await withServer([503], 2);
        expect({ outcome: await run(), log: log() }).toMatchObject({ outcome: { kind: 'success' } });
        const said = refused(url, 503);
        expect(log()).toContain(
          `Cloning Repository ${url}\n${said}\nGit clone failed (${said}), retrying in 1s\nGet current commit hash\n`,
        );
        expect(log()).toMatch(/ran after all\n$/);
      });

      it('that was killed is made anew in the place of what it has left', async () => {
        const { log, run, server } = await withServer(['silence'], 2);
        const running = run();
        await vi.waitFor(() => expect(server.requests).toHaveLength(1), { timeout: 60_000, interval: 50 });
        await inHelper('0:0', 'pkill', '-KILL', 'git');
        expect({ outcome: await running, log: log() }).toMatchObject({ outcome: { kind: 'success' } });
        expect(log()).toMatch(/Git clone failed \(git was ended by SIGKILL\), retrying in 1s\n[^]*\nran after all\n$/);
      });

      it('that fails for good says why, at once where another attempt would be no use', async () => {
        const away = await withServer([503, 503, 503], 2);
        expect(await away.run()).toEqual({
          kind: 'failed',
          reason: `Task failed in clone: ${away.url} cannot be reached (${refused(away.url, 503)}). Check the network, the proxy and the server.`,
        });
        expect(away.log().match(/retrying/g)).toHaveLength(1);
        expect(away.server.requests).toHaveLength(2);
        const missing = await withServer([404], 3);
        expect(await missing.run()).toEqual({
          kind: 'failed',
          reason: `Task failed in clone: ${missing.url} does not exist, or the access key may not see it. Check the URL and the key of the repository.`,
        });
        expect(missing.log()).not.toContain('retrying');
        expect(missing.server.requests).toHaveLength(1);
      });
    });
  },
);
