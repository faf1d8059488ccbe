import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { outputOf, taskInContainers } from '../../support/containers/index.ts';
import type { TaskInContainersOptions } from '../../support/containers/tasks.ts';
import {
  ansibleImage,
  busyboxImage,
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

const patience = { timeout: 60_000, interval: 100 };
const secrets = { survey: 'survey-5f21c', group: 'group-77ab0', password: "p@ss/w0rd:%41'$x", variable: 'env-9d3e1' };

/** Which secret is where. */
function leaksIn(texts: Record<string, string>): string[] {
  const leaks = Object.entries(secrets).flatMap(([name, secret]) =>
    Object.entries(texts).map(([place, text]) => (text.includes(secret) ? `${name} in ${place}` : '')),
  );
  return leaks.filter((leak) => leak !== '');
}

/** A local repository with these files. */
function directoryWith(files: Record<string, string>): string {
  const path = tempDir();
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content, { mode: 0o755 });
  return path;
}

describe.runIf(needsDocker() && needs('ssh') && needs('sshd') && needs('ansible-vault'))(
  'a task in containers',
  { timeout: 180_000 },
  () => {
    const owner = dockerNames('place');
    const userImage = `${owner}:user`;
    let directory: string;
    let sshd: TestSshd;
    let key: { privateKey: string };
    beforeAll(async () => {
      await ensureImages(busyboxImage, debianImage, ansibleImage);
      await docker(['build', '--tag', userImage, '-'], {
        input: `FROM ${debianImage}\nENV FROM_IMAGE=yes HOME=/nowhere\nUSER 1001:0\n`,
      });
      directory = mkdtempSync(join(tmpdir(), 'semaphore-place-'));
      sshd = await startSshd(directory);
      const made = makeKey(directory);
      sshd.authorize(made.publicKey);
      key = made;
    }, 600_000);
    afterAll(async () => {
      await sshd.close();
      rmSync(directory, { recursive: true, force: true });
    });

    const task = (
      parts: TaskInContainersOptions['parts'],
      more: Omit<TaskInContainersOptions, 'owner' | 'parts'> = {},
    ) => taskInContainers({ owner, parts, ...more });
    const onHostNetwork = { image: userImage, network: 'host' } as const;
    const sshKey = (login = '') => ({ type: 'ssh', ssh: { login, passphrase: '', private_key: key.privateKey } });

    it('has a repository of the runner, its variables and secrets, and hands on its outputs', async () => {
      const repository = directoryWith({
        'run.sh': [
          'set -e',
          'echo "at $PWD, home $HOME, $(id -u), from image $FROM_IMAGE, path $PATH, forwarded $FORWARDED, set $SET"',
          'echo "survey $SURVEY_ENV, secret $SECRET_ENV, task $SEMAPHORE_TASK_ID"',
          'for arg in "$@"; do echo "arg $arg"; done',
          'ls -A; git -C . log -1 --format=%s; cat deep/*/file; readlink outside; [ ! -e outside ]',
          'stat -c "%a %U" /workspace/repo/run.sh /secrets; touch made',
          'printf \'{"version": "1.2.3"}\' > "$SEMAPHORE_OUTPUTS_FILE"',
          'echo ready; until [ -e /workspace/go ]; do sleep 0.1; done',
        ].join('\n'),
      });
      mkdirSync(join(repository, 'deep', 'a b'), { recursive: true });
      writeFileSync(join(repository, 'deep', 'a b', 'file'), 'deep content\n');
      // More than one piece on its way, and nothing that a link leads to.
      writeFileSync(join(repository, 'large'), Buffer.alloc(9 * 1024 * 1024, 'x'));
      writeFileSync(join(directory, 'of-the-runner'), 'never copied');
      symlinkSync(join(directory, 'of-the-runner'), join(repository, 'outside'));
      const git = (...args: string[]) =>
        execFileSync('git', ['-c', 'user.name=T', '-c', 'user.email=t@example.com', ...args], { cwd: repository });
      git('init', '-q', '-b', 'main');
      git('commit', '-q', '--allow-empty', '-m', 'Local history');
      const one = await task(
        {
          task: {
            secret: JSON.stringify({ SURVEY: secrets.survey, SECRET_ENV: secrets.variable }),
            workflow_run_id: 9,
          },
          template: {
            survey_vars: [
              { name: 'SURVEY_ENV', title: 'x', target: 'env' },
              { name: 'SECRET_ENV', title: 'x', type: 'secret', target: 'env' },
            ],
          },
          environment: {
            json: JSON.stringify({ SURVEY_ENV: 'by env', OPEN: 'open' }),
            secrets: [{ id: 1, type: 'var', name: 'GROUP', secret: secrets.group }],
          },
          repository: { git_url: repository },
        },
        {
          docker: { image: userImage },
          config: { forwardedEnvVars: ['FORWARDED', 'PATH', 'HOME'], envVars: { SET: 'set' } },
          hostEnv: { FORWARDED: 'yes' },
        },
      );
      const run = one.run();
      await vi.waitFor(() => expect(one.log()).toContain('ready'), patience);
      const inspected = await docker(['inspect', `${one.name}-build`, `${one.name}-helper`]);
      const volumes = await docker(['volume', 'inspect', `${one.name}-workspace`, `${one.name}-secrets`]);
      const changed = await docker(['diff', `${one.name}-build`]);
      expect(leaksIn({ inspected, volumes, changed })).toEqual([]);
      await outputOf(one.containers, 'touch /workspace/go');
      expect(await run).toEqual({ kind: 'success', outputs: expect.stringContaining('"1.2.3"') });
      const log = one.log();
      expect(log).toMatch(
        /^at \/workspace\/repo, home \/workspace, 1001, from image yes, path \/\S+bin, forwarded yes, set set$/m,
      );
      expect(log).not.toContain('/runners/');
      expect(log).toContain(`survey by env, secret ${secrets.variable}, task 4711\n`);
      expect(log).toContain(`arg GROUP=${secrets.group}\narg OPEN=open\narg SURVEY=${secrets.survey}\n`);
      expect(log).toContain('\nLocal history\ndeep content\n');
      expect(log).toContain('755 runner\n700 runner\nready\n');
      expect(await outputOf(one.containers, 'ls -A /secrets')).toBe('');
    });

    it('clones over http with a password, submodules too, and reports the commit', async () => {
      const root = tempDir();
      const inner = new TestRepository(join(root, 'inner'));
      inner.commit({ 'inner.txt': 'from the submodule\n' });
      const outer = new TestRepository(join(root, 'outer'));
      const server = await startGitHttp({ root, credentials: { login: 'alice', password: secrets.password } });
      outer.git('config', '-f', '.gitmodules', 'submodule.inner.path', 'inner');
      outer.git('config', '-f', '.gitmodules', 'submodule.inner.url', '../../inner/origin.git');
      outer.git('update-index', '--add', '--cacheinfo', `160000,${inner.git('rev-parse', 'HEAD').trim()},inner`);
      outer.git('commit', '-q', '-m', 'With a submodule');
      writeFileSync(
        join(outer.work, 'run.sh'),
        'cat inner/inner.txt; git status --short --branch; git remote -v; git log -1 --format=%s; env | grep -c PASS\n',
      );
      outer.git('add', 'run.sh', '.gitmodules');
      outer.git('commit', '-q', '-m', 'Add the script');
      outer.push();
      const url = `${server.origin}/outer/origin.git`;
      const parts = (login: string): TaskInContainersOptions['parts'] => ({
        repository: { git_url: url, ssh_key_id: 11 },
        keys: { 11: { type: 'login_password', login_password: { login, password: secrets.password } } },
      });
      const one = await task(parts('alice'), { docker: onHostNetwork });
      const outcome = await one.run();
      expect({ outcome, log: one.log() }).toMatchObject({
        log: expect.stringContaining(
          `from the submodule\n## main...origin/main\norigin\t${url} (fetch)\norigin\t${url} (push)\nAdd the script\n0\n`,
        ),
      });
      expect(one.commits).toEqual([{ hash: outer.git('rev-parse', 'HEAD').trim(), message: 'Add the script' }]);
      const log = one.log();
      expect(log).toContain(`Cloning Repository ${url}\nGet current commit hash\nGet current commit message\n`);
      const refused = await task(parts('mallory'), { docker: onHostNetwork });
      expect(await refused.run()).toMatchObject({
        kind: 'failed',
        reason: expect.stringMatching(/^Task failed in clone: http\S+ refused the credentials\. Check the access key/),
      });
      const missing = await task(
        { ...parts('alice'), repository: { git_url: url, ssh_key_id: 11, git_branch: 'no-such' } },
        { docker: onHostNetwork },
      );
      expect(await missing.run()).toMatchObject({
        kind: 'failed',
        reason: expect.stringContaining('there is no branch or tag no-such'),
      });
      const commit = await task(
        { ...parts('alice'), task: { commit_hash: outer.git('rev-parse', 'HEAD~1').trim() } },
        { docker: onHostNetwork },
      );
      expect(await commit.run()).toMatchObject({
        kind: 'failed',
        reason: expect.stringContaining('there is no such script'),
      });
    });

    it('uses its keys through an agent, for the repository, for other hosts and in the tool, also where only the helper has one', async () => {
      const repository = new TestRepository();
      repository.commit({
        'run.sh': `ssh-add -l | cut -d" " -f1,4; git ls-remote ssh://127.0.0.1:${sshd.port}${repository.bare} main | cut -f2; find / -xdev -name "id_*" -newer /etc/passwd 2>/dev/null || :\n`,
        'busybox.sh': 'echo "in busybox"; ls\n',
      });
      const url = `ssh://${sshd.user}@127.0.0.1:${sshd.port}${repository.bare}`;
      const keys = { 11: sshKey(), 12: sshKey(sshd.user) };
      const one = await task(
        {
          job: { host_configs: [{ id: 5, project_id: 7, type: 'host', host: '127.0.0.1', ssh_key_id: 12 }] },
          inventory: { ssh_key_id: 11 },
          repository: { git_url: url, ssh_key_id: 11 },
          keys,
        },
        { docker: onHostNetwork },
      );
      expect(await one.run()).toEqual({ kind: 'success', outputs: undefined });
      expect(one.log()).toMatch(/\n256 11\n(Warning: [^\n]*\n)*refs\/heads\/main\n$/);
      const small = await task(
        { repository: { git_url: url, ssh_key_id: 11 }, template: { app: 'sh', playbook: 'busybox.sh' }, keys },
        { docker: { image: busyboxImage, network: 'host' } },
      );
      expect(await small.run()).toEqual({ kind: 'success', outputs: undefined });
      expect(small.log()).toMatch(/in busybox\nbusybox.sh\nrun.sh\n$/);
      const without = await task(
        { repository: { git_url: url, ssh_key_id: 11 }, keys },
        { docker: { image: busyboxImage, helperImage: busyboxImage, network: 'host' } },
      );
      expect(await without.run()).toEqual({
        kind: 'failed',
        reason: `Task failed in clone: There is no ssh-agent in the image ${busyboxImage} nor in ${busyboxImage}. SSH keys are used through OpenSSH's ssh-agent: take an image that has OpenSSH's client programs.`,
      });
    });

    it('says that the helper image has no git', async () => {
      const one = await task(
        { repository: { git_url: 'https://git.example.com/a.git' } },
        { docker: { helperImage: busyboxImage } },
      );
      expect(await one.run()).toEqual({
        kind: 'failed',
        reason: `Task failed in clone: there is no git in the helper image ${busyboxImage}. Let runner.executor.docker.helper_image name one that has it.`,
      });
    });

    it('gives Ansible its vault, its passwords and its variables, which are seen nowhere', async () => {
      const passwordFile = join(tempDir(), 'password');
      writeFileSync(passwordFile, secrets.password);
      const encrypt = ['encrypt_string', '--vault-password-file', passwordFile, 'from the vault'];
      const vault = execFileSync('ansible-vault', encrypt, { encoding: 'utf8' });
      const playbook = [
        '- hosts: all',
        '  gather_facts: false',
        '  vars:',
        `    hidden: ${vault.trim().replaceAll('\n', '\n    ')}`,
        '  tasks:',
        '    - debug: {msg: "{{ hidden }}, {{ SURVEY }}, {{ OPEN }}"}',
        '    - command: cat /proc/self/cmdline /proc/1/cmdline',
        '    - wait_for: {path: /workspace/go, timeout: 60}',
      ].join('\n');
      const one = await task(
        {
          task: { secret: JSON.stringify({ SURVEY: secrets.survey }) },
          template: {
            app: 'ansible',
            playbook: 'run.sh',
            vaults: [{ id: 1, project_id: 7, template_id: 33, vault_key_id: 13, name: 'prod', type: 'password' }],
          },
          environment: { json: '{"OPEN":"open"}' },
          inventory: { ssh_key_id: 14, become_key_id: 14 },
          repository: { git_url: directoryWith({ 'run.sh': playbook }) },
          keys: {
            13: { type: 'login_password', login_password: { login: '', password: secrets.password } },
            14: { type: 'login_password', login_password: { login: 'root', password: secrets.variable } },
          },
        },
        { docker: { image: ansibleImage } },
      );
      const run = one.run();
      await vi.waitFor(() => expect(one.log()).toContain('TASK [wait_for]'), patience);
      const arguments_ = await outputOf(one.containers, 'cat /proc/[0-9]*/cmdline | tr "\\000" " "');
      const environments = await outputOf(one.containers, 'cat /proc/[0-9]*/environ | tr "\\000" " "');
      const modes = await outputOf(one.containers, 'stat -c "%a" /secrets/*');
      const onDisk = await outputOf(
        one.containers,
        'cd /workspace && cat -- $(find repo .ansible /tmp /root -type f) 2>/dev/null',
      );
      expect(arguments_).toMatch(/--connection-password-file \/secrets\/\S+ .*--vault-id=prod@\/secrets\//);
      expect(modes).toMatch(/^(600\n)+$/);
      const inspected = await docker(['inspect', `${one.name}-build`]);
      expect(leaksIn({ arguments_, environments, onDisk, inspected })).toEqual([]);
      await outputOf(one.containers, 'touch /workspace/go');
      expect({ outcome: await run, log: one.log() }).toMatchObject({ outcome: { kind: 'success' } });
      expect(one.log()).toContain(`from the vault, ${secrets.survey}, open`);
    });

    it('lives on without its runner, and ends as if nothing had happened', async () => {
      const script =
        'echo started >> /workspace/starts; echo one; until [ -e /workspace/go ]; do sleep 0.1; done; echo two';
      const one = await task(
        { repository: { git_url: directoryWith({ 'run.sh': script }) } },
        { docker: { image: userImage } },
      );
      void one.run();
      await vi.waitFor(() => expect(one.log()).toContain('one\n'), patience);
      const before = one.log();
      one.die();
      await outputOf(one.containers, 'touch /workspace/go');
      expect(await one.run()).toEqual({ kind: 'success', outputs: undefined });
      expect(one.log()).toBe(`${before}two\n`);
      expect(await outputOf(one.containers, 'cat /workspace/starts')).toBe('started\n');
    });

    it('fails with the reason when its containers went while no runner was there', async () => {
      const script = 'echo one; sleep 300';
      const one = await task(
        { repository: { git_url: directoryWith({ 'run.sh': script }) } },
        { docker: { image: userImage } },
      );
      void one.run();
      await vi.waitFor(() => expect(one.log()).toContain('one\n'), patience);
      one.die();
      await docker(['rm', '--force', `${one.name}-build`]);
      expect(await one.run()).toEqual({
        kind: 'failed',
        reason:
          'Task failed in prepare: the containers of this task are gone: they were removed, or have ended, while no runner was there. Run the task again once that is mended.',
      });
    });

    it('stops, also while its containers are being made', async () => {
      const one = await task(
        {
          repository: {
            git_url: directoryWith({ 'run.sh': 'trap "echo bye; exit" TERM; echo ready; while :; do sleep 0.1; done' }),
          },
        },
        { docker: { image: userImage } },
      );
      const run = one.run();
      await vi.waitFor(() => expect(one.log()).toContain('ready'), patience);
      one.stop();
      expect(await run).toEqual({ kind: 'stopped' });
      expect(one.log()).toMatch(/ready\n(Terminated\n)?bye\n$/);
      const early = await task({ repository: { git_url: directoryWith({ 'run.sh': 'echo never' }) } });
      const starting = early.run();
      early.stop();
      expect(await starting).toEqual({ kind: 'stopped' });
      expect(early.log()).not.toContain('never');
    });
  },
);
