import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startGitHttp } from '../support/git-http.ts';
import { TestRepository } from '../support/git-repository.ts';
import { makeKey, startSshd } from '../support/sshd.ts';
import { testTaskHost } from '../support/task-host.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';
import { ansible, plain, play, reasonIn } from './ansible-support.ts';
import { taskRoom, type JobParts } from './support.ts';

/** Rows of spec 5.7, 5.9 and 5.12 that need a whole task to be seen. */

const here = needs('ansible-playbook') && needs('ansible-galaxy');

const meta = 'galaxy_info: {author: a, description: d, license: MIT, min_ansible_version: "2.9", platforms: []}\n';

/** A repository with a role that says `words`, as a list entry of requirements. */
function role(name: string, words: string): string {
  const repository = new TestRepository();
  repository.commit({ 'meta/main.yml': meta, 'tasks/main.yml': `- debug: {msg: ${words}}\n` });
  return `{src: "git+${repository.url}", name: ${name}, version: main}`;
}

/** The same for the collection `test.NAME`, whose role `greet` says `words`. */
function collection(name: string, words: string): string {
  const repository = new TestRepository();
  repository.commit({
    'galaxy.yml': `{namespace: test, name: ${name}, version: 1.0.0, readme: README.md, authors: [a]}\n`,
    'README.md': '# Test\n',
    'roles/greet/tasks/main.yml': `- debug: {msg: ${words}}\n`,
  });
  return `{name: "git+${repository.url}", type: git, version: main}`;
}

/** A PATH that begins with these programs, shell scripts each. */
function pathWith(programs: Readonly<Record<string, string>>): { PATH: string } {
  const bin = tempDir();
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return { PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` };
}

function commandsOf({ steps }: { steps: { command: string }[] }): string[] {
  return steps.map(({ command }) => command).filter((command) => command.startsWith('ansible'));
}

describe.runIf(here)('the requirements of a playbook', () => {
  it('are looked for beside it and at the root, collections first, each kind with its own arguments and notes', async () => {
    const room = taskRoom();
    const parts = ansible(
      {
        'play/site.yml':
          '- {hosts: all, gather_facts: false, roles: [one, two, three, test.one.greet, test.two.greet]}\n',
        'play/collections/requirements.yml': `collections:\n  - ${collection('one', 'collection one')}\n`,
        'play/requirements.yml': `- ${role('one', 'role one')}\n`,
        'roles/requirements.yml': `roles:\n  - ${role('two', 'role two')}\n`,
        'requirements.yml': `collections:\n  - ${collection('two', 'collection two')}\nroles:\n  - ${role('three', 'role three')}\n`,
      },
      {
        playbook: 'play/site.yml',
        working_directory: 'play',
        task_params: { galaxy_collection_args: ['--no-deps'], galaxy_role_args: ['--timeout', '33'] },
      },
    );
    const { outcome, lines, task } = await room.run(parts);
    expect(outcome).toEqual({ kind: 'success' });
    const log = plain(lines);
    for (const words of ['role one', 'role two', 'role three', 'collection one', 'collection two']) {
      expect(log).toContain(`"msg": "${words}"`);
    }
    const root = join(task.steps.at(-1)?.cwd ?? '', '..');
    const galaxy = task.steps.filter(({ command }) => command === 'ansible-galaxy');
    const install = (kind: string, path: string, ...extra: string[]) => [
      kind,
      'install',
      '-r',
      join(root, path),
      '--force',
      ...extra,
    ];
    expect(galaxy.map(({ args }) => args)).toEqual([
      install('collection', 'play/collections/requirements.yml', '--no-deps'),
      install('collection', 'requirements.yml', '--no-deps'),
      install('role', 'play/requirements.yml', '--timeout', '33'),
      install('role', 'roles/requirements.yml', '--timeout', '33'),
      install('role', 'requirements.yml', '--timeout', '33'),
    ]);
    const said = lines.filter((line) => line.includes('Skip galaxy install process.'));
    expect(said).toEqual([
      `${root}/play/requirements.yml asks for no collections. Skip galaxy install process.`,
      `No ${root}/collections/requirements.yml file found. Skip galaxy install process.`,
      `No ${root}/play/roles/requirements.yml file found. Skip galaxy install process.`,
    ]);
    // They start from what the playbook starts from.
    for (const step of galaxy) {
      expect(step.cwd).toBe(join(root, 'play'));
      expect(step.env).toMatchObject({ ...task.steps.at(-1)?.env, GIT_TERMINAL_PROMPT: '0' });
    }

    const second = await room.run(parts);
    expect(second.outcome).toEqual({ kind: 'success' });
    expect(commandsOf(second.task)).toEqual(['ansible-playbook']);
    expect(second.lines.filter((line) => line.endsWith(' has no changes. Skip galaxy install process.'))).toEqual(
      galaxy.map(({ args }) => `${args[3]} has no changes. Skip galaxy install process.`),
    );
  });

  it.each([
    { preset: true, allowed: false, chosen: false, skipped: true },
    { preset: false, allowed: false, chosen: true, skipped: false },
    { preset: true, allowed: true, chosen: false, skipped: false },
    { preset: false, allowed: true, chosen: true, skipped: true },
  ])('are skipped as the template says, or the task where it may: %j', async ({ preset, allowed, chosen, skipped }) => {
    const { lines, task } = await taskRoom().run(
      {
        ...ansible(
          { 'site.yml': '', 'requirements.yml': 'roles:\n  - x\n' },
          { task_params: { skip_galaxy_install: preset, allow_override_skip_galaxy_install: allowed } },
        ),
        task: { params: { skip_galaxy_install: chosen } },
      },
      { hostEnv: pathWith({ 'ansible-galaxy': 'exit 0', 'ansible-playbook': 'exit 0' }) },
    );
    expect(commandsOf(task)).toEqual(skipped ? ['ansible-playbook'] : ['ansible-galaxy', 'ansible-playbook']);
    expect(lines.includes('Galaxy install step is skipped.')).toBe(skipped);
  });

  it('are not installed with arguments that lead elsewhere', async () => {
    const { outcome, task } = await taskRoom().run(
      ansible(
        { 'site.yml': '', 'requirements.yml': 'roles:\n  - x\n' },
        { task_params: { galaxy_role_args: ['--roles-path', '/tmp'] } },
      ),
    );
    expect(reasonIn(outcome)).toMatch(/^Task failed in requirements: the argument "--roles-path" .* is not allowed/);
    expect(commandsOf(task)).toEqual([]);
  });

  it("may be read with the repository's password, from its own server only, and what the task says of git counts", async () => {
    const root = tempDir();
    const repository = new TestRepository(join(root, 'team'));
    repository.commit({ 'site.yml': '', 'requirements.yml': 'roles:\n  - x\n' });
    const credentials = { login: 'alice', password: 'p@ss/w0rd' };
    const [own, other] = [await startGitHttp({ root, credentials }), await startGitHttp({ root, credentials })];
    const look = [
      'git config user.name',
      'git ls-remote "$OWN/team/origin.git" >/dev/null && echo let in',
      'git ls-remote "$OTHER/team/origin.git" >/dev/null 2>&1 || echo kept out',
      'echo "prompt $GIT_TERMINAL_PROMPT"',
    ];
    const env = {
      OWN: own.origin,
      OTHER: other.origin,
      GIT_CONFIG_PARAMETERS: "'user.name=of the task'",
      GIT_TERMINAL_PROMPT: '00',
    };
    const { outcome, lines } = await taskRoom().run(
      {
        template: { app: 'ansible', playbook: 'site.yml' },
        repository: { git_url: `${own.origin}/team/origin.git`, ssh_key_id: 12 },
        environment: { env: JSON.stringify(env) },
        keys: { 12: { type: 'login_password', login_password: credentials } },
      },
      { hostEnv: pathWith({ 'ansible-galaxy': look.join('\n'), 'ansible-playbook': 'exit 0' }) },
    );
    expect(outcome).toEqual({ kind: 'success' });
    expect(lines).toEqual(expect.arrayContaining(['of the task', 'let in', 'kept out', 'prompt 00']));
    expect(other.requests.every(({ authorization }) => authorization === undefined)).toBe(true);
  });

  it('leave the agent and the ssh command that the task itself names', async () => {
    const { privateKey } = makeKey(tempDir());
    const env = { SSH_AUTH_SOCK: '/of/the/task', GIT_SSH_COMMAND: 'ssh -v' };
    const parts = ansible({ 'site.yml': '', 'requirements.yml': 'roles:\n  - x\n' });
    const { task } = await taskRoom().run(
      {
        ...parts,
        repository: { ...parts.repository, ssh_key_id: 12 },
        environment: { env: JSON.stringify(env) },
        keys: { 12: { type: 'ssh', ssh: { login: '', passphrase: '', private_key: privateKey } } },
      },
      { hostEnv: pathWith({ 'ansible-galaxy': 'exit 0', 'ansible-playbook': 'exit 0' }) },
    );
    expect(task.steps.find(({ command }) => command === 'ansible-galaxy')?.env).toMatchObject(env);
  });

  it.runIf(needs('sshd') && needs('ssh'))("come over ssh with the repository's key", async () => {
    const directory = tempDir();
    const sshd = await startSshd(directory);
    onTestFinished(() => sshd.close());
    const key = makeKey(directory, { passphrase: 'open sesame' });
    sshd.authorize(key.publicKey);
    const wanted = new TestRepository();
    wanted.commit({ 'meta/main.yml': meta, 'tasks/main.yml': '- debug: {msg: came over ssh}\n' });
    const repository = new TestRepository();
    const address = `ssh://${sshd.user}@127.0.0.1:${sshd.port}`;
    repository.commit({
      'site.yml': '- {hosts: all, gather_facts: false, roles: [wanted]}\n',
      'requirements.yml': `roles:\n  - {src: "git+${address}${wanted.bare}", name: wanted, version: main}\n`,
    });
    const { outcome, lines } = await taskRoom().run({
      template: { app: 'ansible', playbook: 'site.yml' },
      repository: { git_url: `${address}${repository.bare}`, ssh_key_id: 12 },
      keys: { 12: { type: 'ssh', ssh: { login: '', passphrase: 'open sesame', private_key: key.privateKey } } },
    });
    expect(plain(lines)).toContain('"msg": "came over ssh"');
    expect(outcome).toEqual({ kind: 'success' });
  });
});

describe.runIf(here)('the vaults of a template', () => {
  const vault = (id: number, more: object) => ({ id, project_id: 7, template_id: 33, vault_key_id: null, ...more });

  function encrypted(id: string, password: string, text: string): string {
    const directory = tempDir();
    writeFileSync(join(directory, 'password'), password);
    writeFileSync(join(directory, 'vars.yml'), text);
    const vaultId = `${id}@${join(directory, 'password')}`;
    execFileSync('ansible-vault', ['encrypt', '--encrypt-vault-id', id, '--vault-id', vaultId, 'vars.yml'], {
      cwd: directory,
    });
    return readFileSync(join(directory, 'vars.yml'), 'utf8');
  }

  it('are opened by a script of the repository and by a password, in their order', async () => {
    const { outcome, lines, task } = await taskRoom().run({
      ...ansible(
        {
          'site.yml': play('include_vars: a.yml', 'include_vars: b.yml', 'debug: {msg: "{{ a }} {{ b }}"}'),
          'a.yml': encrypted('ext', 'from-the-script', 'a: first\n'),
          'b.yml': encrypted('default', 'from-the-key', 'b: second\n'),
          'vault/open.sh': '#!/bin/sh\necho from-the-script\n',
        },
        {
          vaults: [
            vault(1, { name: 'ext', type: 'script', script: 'vault/open.sh' }),
            // As old servers send it: neither name nor type.
            vault(2, { name: null, vault_key_id: 15 }),
          ],
        },
      ),
      keys: { 15: { type: 'login_password', login_password: { login: '', password: 'from-the-key' } } },
    });
    expect(plain(lines)).toContain('"msg": "first second"');
    expect(outcome).toEqual({ kind: 'success' });
    const { args = [], cwd } = task.steps.at(-1) ?? {};
    expect(args.filter((argument) => argument.startsWith('--vault-id='))).toEqual([
      `--vault-id=ext@${cwd}/vault/open.sh`,
      expect.stringMatching(/^--vault-id=default@\/.*\/task_4711\//),
    ]);
  });

  it.each([
    [{ type: 'script', script: '../../x.sh' }, 'the script of the vault "v" "../../x.sh" leads out of the repository'],
    [{ type: 'script', script: null }, 'the vault "v" names no script'],
    [{ type: 'password' }, 'the password of the vault "v" was not sent by the server'],
    [{ type: 'password', vault_key_id: 15 }, 'the password of the vault "v" is a key of type string'],
  ])('are refused: %j', async (more, reason) => {
    const { outcome, task } = await taskRoom().run({
      ...ansible({ 'site.yml': '' }, { vaults: [vault(1, { name: 'v', ...more })] }),
      keys: { 15: { type: 'string', string: 'x' } },
    });
    expect(reasonIn(outcome)).toContain(reason);
    expect(commandsOf(task)).toEqual([]);
  });
});

describe.runIf(here)('what a playbook is told', () => {
  it('is all of semaphore_vars, and survey answers as variables or as environment', async () => {
    const file = join(tempDir(), 'told');
    const parts = ansible(
      {
        'site.yml': play(`copy:\n  dest: ${file}\n  content: "{{ told | to_json }}"`).replace(
          '  tasks:',
          [
            '  vars:',
            '    told:',
            '      details: "{{ semaphore_vars.task_details }}"',
            '      answers: ["{{ region }}", "{{ MODE is defined }}", "{{ TOKEN is defined }}", "{{ password | length }}"]',
            `      env: ["{{ lookup('env', 'MODE') }}", "{{ lookup('env', 'TOKEN') | length }}", "{{ lookup('env', 'SEMAPHORE_JWT') }}"]`,
            '  tasks:',
          ].join('\n'),
        ),
      },
      {
        type: 'build',
        survey_vars: [
          { name: 'region', title: '', type: 'enum' },
          { name: 'password', title: '', type: 'secret' },
          { name: 'MODE', title: '', target: 'env' },
          { name: 'TOKEN', title: '', type: 'secret', target: 'env' },
        ],
      },
    );
    const { outcome, task } = await taskRoom().run({
      ...parts,
      job: { IncomingVersion: '1.4.1', jwt: 'eyJ.jwt' },
      task: { message: 'nightly', version: '1.4.2', secret: '{"password":"s3cret","TOKEN":"t0ken-7"}' },
      environment: { json: '{"region":"eu","MODE":"fast"}' },
    });
    expect(outcome).toEqual({ kind: 'success' });
    const [commit] = task.commits;
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
      details: {
        id: 4711,
        message: 'nightly',
        username: 'alice',
        url: 'http://semaphore.test/project/7/history?t=4711',
        commit_hash: commit?.hash,
        commit_message: commit?.message,
        inventory_name: 'local',
        inventory_id: 21,
        repository_name: 'playbooks',
        repository_id: 3,
        type: 'build',
        incoming_version: '1.4.1',
        target_version: '1.4.2',
      },
      answers: ['eu', false, false, '6'],
      env: ['fast', '7', 'eyJ.jwt'],
    });
    expect(commit?.hash).toMatch(/^[0-9a-f]{40}$/);
  });
});

describe('a path that leads out of the repository', () => {
  it.each([
    ['the playbook of the template', { playbook: '../site.yml' }, {}],
    ['the playbook of the task', {}, { playbook: '/etc/site.yml' }],
    ['the working directory', { working_directory: '../..' }, {}],
  ])('is refused as %s', async (_what, template, task) => {
    const run = await taskRoom().run({ ...ansible({ 'site.yml': '' }, template), task });
    expect(reasonIn(run.outcome)).toMatch(/^Task failed in prepare: .* leads out of the repository/);
    expect(commandsOf(run.task)).toEqual([]);
  });
});

describe('a shell-type app', () => {
  function script(files: Record<string, string>, template: Record<string, unknown>): JobParts {
    const repository = new TestRepository();
    repository.commit(files);
    return { template, repository: { git_url: repository.url } };
  }

  it('ignores the playbook of the task, requirements and standard input, and knows its type', async () => {
    const files = {
      'run.sh': 'echo "input: $(cat)."; echo "type: $SEMAPHORE_TASK_DETAILS_TYPE"; echo "$0"',
      'other.sh': 'echo the wrong one',
      'requirements.yml': 'roles:\n  - x\n',
    };
    const { outcome, lines, task } = await taskRoom().run({
      ...script(files, { app: 'bash', playbook: 'run.sh', type: 'deploy' }),
      task: { playbook: 'other.sh' },
    });
    expect(outcome).toEqual({ kind: 'success' });
    expect(lines.slice(-3)).toEqual(['input: .', 'type: deploy', 'run.sh']);
    expect(new Set(task.steps.map(({ command }) => command))).toEqual(new Set(['git', 'bash']));
  });

  it('pulumi gets the directory as its first argument (a stand-in)', async () => {
    const parts = script(
      { 'infra/Pulumi.yaml': 'name: x\n' },
      { app: 'pulumi', playbook: 'infra', arguments: '["up", "--yes"]' },
    );
    const { outcome, lines } = await taskRoom().run(parts, { hostEnv: pathWith({ pulumi: 'echo "pulumi $*"' }) });
    expect(outcome).toEqual({ kind: 'success' });
    expect(lines.at(-1)).toBe('pulumi infra up --yes');
  });
});

describe.runIf(here && needs('ssh-keygen'))('after a task', () => {
  const kept =
    /^(mirror_\d+_[0-9a-f]+|repository_3_template_33_(main_[0-9a-f]+|home|internal)|repository_9_template_33_main_[0-9a-f]+_inventory_21)$/;

  it.each([
    ['has succeeded', 'debug: {msg: fine}', 'success'],
    ['has failed', 'fail: {msg: on purpose}', 'failed'],
    ['was stopped', 'wait_for: {timeout: 60}', 'stopped'],
  ] as const)('that %s only what the next one needs is left', async (_how, doing, kind) => {
    const room = taskRoom();
    const key = makeKey(tempDir());
    const other = new TestRepository();
    other.commit({ hosts: 'localhost ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n' });
    const hosts = { id: 9, name: 'hosts', project_id: 7, git_url: other.url, git_branch: 'main', ssh_key_id: 0 };
    const parts: JobParts = {
      ...ansible(
        { 'site.yml': play(doing) },
        { vaults: [{ id: 1, project_id: 7, template_id: 33, vault_key_id: 15, name: null, type: 'password' }] },
      ),
      job: {
        inventory_repository: hosts,
        host_configs: [{ id: 5, project_id: 7, type: 'host', host: 'git.example', ssh_key_id: 12 }],
      },
      task: { workflow_run_id: 8, secret: '{"password":"survey-s3cret"}' },
      inventory: { type: 'file', inventory: 'hosts', repository_id: 9, ssh_key_id: 12 },
      keys: {
        12: { type: 'ssh', ssh: { login: '', passphrase: '', private_key: key.privateKey } },
        15: { type: 'login_password', login_password: { login: '', password: 'vault-s3cret' } },
      },
    };
    let during: string[] = [];
    const task = await testTaskHost((step) => {
      if (step.key !== 'run') return;
      during = readdirSync(join(room.project, 'task_4711'));
      if (kind === 'stopped') setTimeout(() => task.stop(), 500);
    });
    expect((await room.run(parts, { host: task })).outcome.kind).toBe(kind);
    // Otherwise there would be nothing to remove.
    expect(during).toEqual(expect.arrayContaining(['extra-vars.yml', 'outputs.json', 'ssh-config', 'vault-1']));
    const left = readdirSync(room.project);
    expect(left.filter((name) => !kept.test(name))).toEqual([]);
    expect(left).toHaveLength(6);
    const all = readdirSync(room.project, { recursive: true, encoding: 'utf8' }).map((name) =>
      join(room.project, name),
    );
    expect(all.filter((path) => lstatSync(path).isSocket() || lstatSync(path).isFIFO())).toEqual([]);
    const socket = task.steps.find(({ key: name }) => name === 'run')?.env['SSH_AUTH_SOCK'] ?? '';
    expect(socket).not.toBe('');
    expect(existsSync(socket)).toBe(false);
    // Its directory would be gone, too, when nobody had closed it.
    // What is killed takes its time to go where the machine is busy.
    await expect.poll(() => readFileSync('/proc/net/unix', 'utf8').includes(socket), { timeout: 20_000 }).toBe(false);
    const again = await room.run({
      ...parts,
      ...(kind === 'stopped' ? { template: { app: 'bash', playbook: 'site.yml' } } : {}),
    });
    expect(again.lines.filter((line) => line.startsWith('Cloning Repository'))).toEqual([]);
  });
});
