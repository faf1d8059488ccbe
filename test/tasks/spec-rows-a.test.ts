import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { branchPart } from '../../src/workspace/names.ts';
import { startGitHttp } from '../support/git-http.ts';
import { TestRepository } from '../support/git-repository.ts';
import { makeKey, startSshd } from '../support/sshd.ts';
import { tempDir } from '../support/temp-dir.ts';
import { testTaskHost } from '../support/task-host.ts';
import { needs } from '../support/tools.ts';
import { ansible, plain, play, reasonIn } from './ansible-support.ts';
import { taskRoom, type JobParts, type TaskRun } from './support.ts';

/** Rows of spec 4 and 5.3 to 5.6 that belong to no single app. */

function script(text: string): JobParts {
  const repository = new TestRepository();
  repository.commit({ 'run.sh': text });
  return { repository: { git_url: repository.url } };
}

/** A PATH that begins with an `ansible-playbook` that does nothing. */
function standIn(): Record<string, string> {
  const bin = tempDir();
  writeFileSync(join(bin, 'ansible-playbook'), '#!/bin/sh\necho stand-in\n', { mode: 0o755 });
  return { PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` };
}

function stepOf({ task }: TaskRun, key: string) {
  const step = task.steps.find((one) => one.key === key);
  if (!step) throw new Error(`there was no step ${key}`);
  return step;
}

describe('the parts of a task (4.1)', () => {
  it('its playbook is for Ansible, its environment is merged already, and its secrets may be missing', async () => {
    for (const secret of ['', '{}', null]) {
      const { outcome, lines } = await taskRoom().run({
        ...script('echo "script with $*"'),
        task: { playbook: 'other.sh', environment: '{"region":"again","extra":"again"}', secret },
        environment: { json: '{"region":"merged"}' },
      });
      expect(outcome).toEqual({ kind: 'success' });
      expect(lines.at(-1)).toBe('script with region=merged');
    }
  });

  it('a commit of a local repository is not checked out, which is said', async () => {
    const repository = new TestRepository();
    const first = repository.commit({ 'run.sh': 'echo one' });
    repository.commit({ 'run.sh': 'echo two' });
    const { lines, task } = await taskRoom().run({
      repository: { git_url: repository.work },
      task: { commit_hash: first },
    });
    expect(lines.at(-2)).toBe(`Repository ${repository.work} is used in place: ${first} is not checked out`);
    expect(lines.at(-1)).toBe('two');
    expect(task.commits).toEqual([]);
  });
});

describe('the parts of a template (4.2)', () => {
  it('no app is Ansible', async () => {
    const run = await taskRoom().run(ansible({ 'site.yml': '' }, { app: '' }), { hostEnv: standIn() });
    expect(run.outcome).toEqual({ kind: 'success' });
    expect(run.lines.at(-1)).toBe('stand-in');
  });

  it.each([
    ['its playbook', { playbook: '../site.yml' }, {}, 'the playbook "../site.yml" leads out'],
    ['the playbook of the task', {}, { playbook: '/etc/site.yml' }, 'the playbook "/etc/site.yml" leads out'],
    ['its working directory', { working_directory: 'a/../..' }, {}, 'the working directory "a/../.." leads out'],
    ['no playbook', { playbook: '' }, {}, 'the template names no playbook'],
  ])('%s must be inside of the repository', async (_what, template, task, reason) => {
    const { outcome, task: host } = await taskRoom().run(
      { ...ansible({ 'site.yml': '' }, template), task },
      { hostEnv: standIn() },
    );
    expect(reasonIn(outcome)).toContain(reason);
    // A working directory is looked for in the checkout; the rest is seen before anything is fetched.
    const commands = new Set(host.steps.map(({ command }) => command));
    expect([...commands]).toEqual('working_directory' in template ? ['git'] : []);
  });
});

describe('the vaults of a template (4.3)', () => {
  const vault = (parts: Record<string, unknown>) => ({ vaults: [{ id: 1, project_id: 7, template_id: 33, ...parts }] });

  it('without a name is the default one', async () => {
    const run = await taskRoom().run(
      {
        ...ansible({ 'site.yml': '' }, vault({ vault_key_id: 15, name: null })),
        keys: { 15: { type: 'login_password', login_password: { login: 'ignored', password: 'vault pw' } } },
      },
      { hostEnv: standIn() },
    );
    expect(stepOf(run, 'run').args).toContainEqual(expect.stringMatching(/^--vault-id=default@\/.*\/task_4711\//));
  });

  it.runIf(needs('ansible-playbook') && needs('ansible-vault'))('may be a script of the repository', async () => {
    const directory = tempDir();
    const [password, vars] = [join(directory, 'password'), join(directory, 'vars.yml')];
    writeFileSync(password, 'from the script\n');
    writeFileSync(vars, 'hidden: opened\n');
    execFileSync('ansible-vault', ['encrypt', '--encrypt-vault-id', 'ext', '--vault-id', `ext@${password}`, vars]);
    const files = {
      'site.yml': play('include_vars: secret.yml', 'debug: {msg: "it is {{ hidden }}"}'),
      'secret.yml': readFileSync(vars, 'utf8'),
      'scripts/vault.sh': '#!/bin/sh\necho from the script\n',
    };
    const template = vault({ vault_key_id: null, name: 'ext', type: 'script', script: 'scripts/vault.sh' });
    const { outcome, lines } = await taskRoom().run(ansible(files, template));
    expect(plain(lines)).toContain('"msg": "it is opened"');
    expect(outcome).toEqual({ kind: 'success' });
  });

  it.each([
    [{ vault_key_id: 15, name: 'prod' }, 'the password of the vault "prod" is a key of type ssh'],
    [{ vault_key_id: 99, name: 'prod' }, 'the password of the vault "prod" was not sent by the server'],
    [{ vault_key_id: null, name: null }, 'the password of the vault "default" was not sent by the server'],
    [{ name: 'ext', type: 'script', script: '../../x' }, 'the script of the vault "ext" "../../x" leads out'],
    [{ name: 'ext', type: 'script', script: null }, 'the vault "ext" names no script'],
  ])('%j is refused', async (parts, reason) => {
    const { outcome, task } = await taskRoom().run(
      {
        ...ansible({ 'site.yml': '' }, vault(parts)),
        keys: { 15: { type: 'ssh', ssh: { login: '', passphrase: '', private_key: 'x' } } },
      },
      { hostEnv: standIn() },
    );
    expect(reasonIn(outcome)).toContain(reason);
    expect(task.steps.map(({ command }) => command)).not.toContain('ansible-playbook');
  });
});

describe('the keys of repositories (4.5, 4.7, 4.9)', () => {
  it("the inventory's repository has its own, and a checkout named after its own branch (5.4)", async () => {
    const root = tempDir();
    const hosts = new TestRepository(join(root, 'hosts'));
    hosts.git('checkout', '-q', '-b', 'stable');
    hosts.commit({ 'prod.ini': 'localhost ansible_connection=local\n' });
    const { origin } = await startGitHttp({ root, credentials: { login: 'bob', password: 'hosts-s3cret' } });
    const room = taskRoom();
    const run = await room.run(
      {
        ...ansible({ 'site.yml': '' }),
        inventory: { type: 'file', inventory: 'prod.ini', repository_id: 9 },
        job: {
          inventory_repository: {
            id: 9,
            name: 'hosts',
            project_id: 7,
            git_url: `${origin}/hosts/origin.git`,
            git_branch: 'stable',
            ssh_key_id: 14,
          },
        },
        keys: { 14: { type: 'login_password', login_password: { login: 'bob', password: 'hosts-s3cret' } } },
      },
      { hostEnv: standIn() },
    );
    expect(run.outcome).toEqual({ kind: 'success' });
    const checkout = join(room.project, `repository_9_template_33_${branchPart('stable')}_inventory_21`);
    expect(stepOf(run, 'run').args?.[1]).toBe(join(checkout, 'prod.ini'));
    expect(existsSync(join(checkout, 'prod.ini'))).toBe(true);
  });

  it('a key without content and one that was not sent open what is public', async () => {
    for (const keys of [{ 11: { type: 'none' } }, {}]) {
      const parts = script('echo ran');
      const { outcome, lines } = await taskRoom().run({
        ...parts,
        repository: { ...parts.repository, ssh_key_id: 11 },
        keys,
      });
      expect({ outcome, last: lines.at(-1) }).toEqual({ outcome: { kind: 'success' }, last: 'ran' });
    }
  });

  it.runIf(needs('ssh') && needs('sshd') && needs('ssh-keygen'))(
    "an SSH key opens its repository, through the administrator's configuration of ssh (5.5)",
    async () => {
      const directory = tempDir();
      const sshd = await startSshd(directory);
      onTestFinished(() => sshd.close());
      const { privateKey, publicKey } = makeKey(directory, { passphrase: 'open sesame' });
      sshd.authorize(publicKey);
      const repository = new TestRepository();
      const hash = repository.commit({ 'run.sh': 'echo ran' }, 'one');
      const configPath = join(directory, 'ssh config');
      const lines = ['Host short', '  HostName 127.0.0.1', `  Port ${sshd.port}`, `  User ${sshd.user}`, ''];
      writeFileSync(configPath, lines.join('\n'), { mode: 0o600 });
      const { outcome, task } = await taskRoom().run(
        {
          repository: { git_url: `short:${repository.bare}`, ssh_key_id: 11 },
          keys: { 11: { type: 'ssh', ssh: { login: 'git', passphrase: 'open sesame', private_key: privateKey } } },
        },
        { config: { ssh: { configPath, knownHostsFile: undefined, strictHostKeyChecking: 'no' } } },
      );
      expect(outcome).toEqual({ kind: 'success' });
      expect(task.commits).toEqual([{ hash, message: 'one' }]);
    },
  );
});

describe('the preparation of a task (5.3)', () => {
  it('leaves out a survey answer for the environment that was not given', async () => {
    const run = await taskRoom().run({
      ...script('echo ran'),
      template: { survey_vars: [{ name: 'MODE', title: 'Mode', target: 'env' }] },
    });
    expect(stepOf(run, 'run').env).not.toHaveProperty('MODE');
  });

  it('names the directory of the checkout after the branch that counts', async () => {
    const repository = new TestRepository();
    repository.git('checkout', '-q', '-b', 'release/1');
    repository.commit({ 'run.sh': 'pwd -P' });
    const room = taskRoom();
    const { lines } = await room.run({
      repository: { git_url: repository.url },
      template: { git_branch: 'release/1' },
    });
    expect(lines.at(-1)).toBe(join(room.project, `repository_3_template_33_${branchPart('release/1')}`));
  });

  it('says which directory cannot be made', async () => {
    const blocked = taskRoom();
    writeFileSync(blocked.project, 'a file');
    const first = await blocked.run(script(''));
    expect(reasonIn(first.outcome)).toMatch(/^Task failed in prepare: Creating tmp dir failed: /);

    const room = taskRoom();
    mkdirSync(room.project);
    writeFileSync(join(room.project, 'repository_3_template_33_home'), 'a file');
    const second = await room.run(script(''));
    expect(reasonIn(second.outcome)).toMatch(/^Task failed in prepare: Creating task home dir failed: /);
    expect(readdirSync(room.project)).not.toContain('task_4711');
  });

  it.each([
    ['outputs.json', 'prepare: Failed to prepare task outputs: '],
    ['inventory_21_task_4711', 'inventory: Failed to install inventory: '],
    ['extra-vars.yml', 'prepare: Failed to write the extra vars files: '],
  ])('says that %s cannot be written', async (name, reason) => {
    const room = taskRoom();
    const host = await testTaskHost(({ key }) => {
      if (key === 'clone-fetch') writeFileSync(join(room.project, 'task_4711', name), '');
    });
    const { outcome } = await room.run(
      { ...ansible({ 'site.yml': '' }), task: { workflow_run_id: 5 } },
      { host, hostEnv: standIn() },
    );
    expect(reasonIn(outcome)).toContain(`Task failed in ${reason}`);
  });
});

describe('the environment of git (5.5)', () => {
  it('is that of the configuration, and asks nobody', async () => {
    const run = await taskRoom().run(
      { ...script(''), environment: { env: '{"OF_THE_TASK":"1"}' }, job: { jwt: 'eyJ.jwt' } },
      {
        config: { envVars: { GIT_CONFIG_GLOBAL: '/dev/null', ADDED: 'a' }, forwardedEnvVars: ['FORWARDED'] },
        hostEnv: { FORWARDED: 'f', UNSEEN: 'u' },
      },
    );
    const steps = run.task.steps.filter(({ command }) => command === 'git');
    expect(steps.length).toBeGreaterThan(2);
    for (const { env } of steps) {
      expect(env).toMatchObject({ GIT_TERMINAL_PROMPT: '0', ADDED: 'a', FORWARDED: 'f' });
      expect(env['HOME']).toMatch(/^\//);
      for (const name of ['UNSEEN', 'OF_THE_TASK', 'SEMAPHORE_JWT', 'SSH_AUTH_SOCK']) {
        expect(env).not.toHaveProperty(name);
      }
    }
  });

  it('is tried again as often as the configuration says', async () => {
    const { lines } = await taskRoom().run(
      { repository: { git_url: 'http://127.0.0.1:1/x.git' } },
      { config: { gitAttempts: 2 } },
    );
    expect(lines.filter((line) => line.includes('retrying in'))).toHaveLength(1);
  });
});

describe('the environment of a tool (5.6)', () => {
  const own = { PYTHONUNBUFFERED: '1', ANSIBLE_FORCE_COLOR: 'True', ANSIBLE_HOST_KEY_CHECKING: 'False' };

  it("begins with Ansible's own, and has what every app is told, but no details", async () => {
    const room = taskRoom();
    const run = await room.run(ansible({ 'site.yml': '' }), { hostEnv: standIn(), config: { envVars: {} } });
    const { cwd, env } = stepOf(run, 'run');
    expect(env).toMatchObject({ ...own, PWD: cwd, SEMAPHORE_PROJECT_ID: '7', SEMAPHORE_TASK_ID: '4711' });
    const others = Object.keys(env).filter((name) => !(name in own) && !name.startsWith('ANSIBLE_'));
    expect(others.toSorted()).toEqual(['HOME', 'PATH', 'PWD', 'SEMAPHORE_PROJECT_ID', 'SEMAPHORE_TASK_ID']);
  });

  it('lets the later win: what is forwarded, the configuration, our own, the task', async () => {
    const run = await taskRoom().run(
      {
        ...ansible({ 'site.yml': '' }),
        environment: { env: '{"D":"task","HOME":"/of/the/task","SEMAPHORE_TASK_ID":"0"}' },
      },
      {
        hostEnv: { ...standIn(), A: 'forwarded', B: 'forwarded', D: 'forwarded' },
        config: {
          forwardedEnvVars: ['A', 'B', 'D'],
          envVars: { B: 'config', D: 'config', PWD: '/config', ANSIBLE_HOST_KEY_CHECKING: 'True' },
        },
      },
    );
    const { cwd, env } = stepOf(run, 'run');
    expect(env).toMatchObject({ A: 'forwarded', B: 'config', D: 'task', PWD: cwd, HOME: '/of/the/task' });
    expect(env).toMatchObject({ ANSIBLE_HOST_KEY_CHECKING: 'True', SEMAPHORE_TASK_ID: '4711' });
  });

  it.each([
    ['user_home', '/home/of/the/runner'],
    ['project_home', undefined],
  ] as const)('has no home of the template in mode %s', async (homeDirMode, home) => {
    const room = taskRoom();
    const run = await room.run(ansible({ 'site.yml': '' }), {
      hostEnv: { ...standIn(), HOME: '/home/of/the/runner' },
      config: { homeDirMode },
    });
    const { env } = stepOf(run, 'run');
    expect(env).not.toHaveProperty('ANSIBLE_HOME');
    expect(env['HOME']).toBe(home ?? room.project);
  });
});
