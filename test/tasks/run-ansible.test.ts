import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestRepository } from '../support/git-repository.ts';
import { makeKey, startSshd, type TestSshd } from '../support/sshd.ts';
import { tempDir } from '../support/temp-dir.ts';
import { testTaskHost } from '../support/task-host.ts';
import { needs } from '../support/tools.ts';
import { ansible, plain, play, reasonIn } from './ansible-support.ts';
import { taskRoom, type JobParts } from './support.ts';

const here = needs('ansible-playbook') && needs('ansible-galaxy');

function show(expression: string): string {
  return `debug: {msg: "{{ ${expression} }}"}`;
}

/** Every argument list and environment on this machine, and every file below `directory`, as text. */
function everythingVisible(directory: string): string {
  const ofProcesses = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => ['cmdline', 'environ'].map((name) => join('/proc', pid, name)));
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
  return [...ofProcesses, ...files]
    .map((path) => {
      try {
        return `${path}: ${readFileSync(path, 'latin1')}`;
      } catch {
        return '';
      }
    })
    .join('\n');
}

describe.runIf(here)('an Ansible task', () => {
  it('runs a playbook, with the fixed lines in order', async () => {
    const { outcome, lines, task } = await taskRoom().run({
      ...ansible({ 'site.yml': play(show("'hello from ' + semaphore_vars.task_details.username")) }),
      job: {},
    });
    expect(outcome).toEqual({ kind: 'success' });
    expect(lines[0]).toBe('Preparing: 4711');
    expect(lines[1]).toMatch(/^Cloning Repository file:/);
    expect(lines.slice(2, 5)).toEqual([
      'Get current commit hash',
      'Get current commit message',
      'installing static inventory',
    ]);
    expect(lines[5]).toMatch(/^No \/.*\/collections\/requirements\.yml file found\. Skip galaxy install process\.$/);
    expect(plain(lines)).toContain('"msg": "hello from alice"');
    expect(plain(lines)).toMatch(/localhost\s+: ok=1/);
    expect(task.steps.at(-1)?.command).toBe('ansible-playbook');
  });

  it('gives variables as data: strings are never templates, numbers stay as they were', async () => {
    const { outcome, lines } = await taskRoom().run({
      ...ansible({
        'site.yml': play(
          show('jinja'),
          show('big | string'),
          show('million + 1'),
          show("nested.list | join('+')"),
          show('ünicode'),
        ),
      }),
      environment: {
        json: JSON.stringify({
          jinja: "{{ lookup('pipe', 'echo pwned') }}",
          nested: { list: ['a', '{{ b }}'] },
          ünicode: 'ä\u2028😀',
        }).replace('{', '{"big":12345678901234567890,"million":1e6,'),
      },
    });
    expect(outcome).toEqual({ kind: 'success' });
    const log = plain(lines);
    expect(log).toContain(`"msg": "{{ lookup('pipe', 'echo pwned') }}"`);
    expect(log).toContain('12345678901234567890');
    expect(log).toContain('1000001');
    expect(log).toContain('a+{{ b }}');
    expect(log).toContain('ä\u2028😀');
  });

  it('shows no secret in arguments, environments, files or log while it runs', async () => {
    const room = taskRoom();
    const secrets = {
      survey: 'survey-s3cret-1',
      group: 'group-s3cret-2',
      vault: 'vault-s3cret-3',
      login: 'login-s3cret-4',
      become: 'become-s3cret-5',
    };
    const directory = tempDir();
    writeFileSync(join(directory, 'password'), secrets.vault);
    writeFileSync(join(directory, 'vars.yml'), 'from_vault: opened\n');
    execFileSync('ansible-vault', [
      'encrypt',
      '--encrypt-vault-id',
      'prod',
      '--vault-id',
      `prod@${join(directory, 'password')}`,
      join(directory, 'vars.yml'),
    ]);
    const parts = ansible(
      {
        'site.yml': play(
          'include_vars: secret.yml',
          show('from_vault'),
          show("(a | hash('sha1'))[:8] + (b | hash('sha1'))[:8]"),
          'wait_for: {timeout: 2}',
          show("lookup('env', 'HOME') | length > 0"),
        ),
        'secret.yml': readFileSync(join(directory, 'vars.yml'), 'utf8'),
      },
      {
        vaults: [
          { id: 1, project_id: 7, template_id: 33, vault_key_id: 15, name: 'prod', type: 'password' },
          { id: 2, project_id: 7, template_id: 33, vault_key_id: 16, name: null, type: 'password' },
        ],
      },
    );
    const looks: string[] = [];
    let timer: NodeJS.Timeout | undefined;
    const task = await testTaskHost((step) => {
      if (step.key === 'run') timer = setInterval(() => looks.push(everythingVisible(room.root)), 400);
    });
    const { outcome, lines } = await room.run(
      {
        ...parts,
        task: { secret: JSON.stringify({ a: secrets.survey }) },
        inventory: { ssh_key_id: 13, become_key_id: 14 },
        environment: { json: '{"b":"open"}', secrets: [{ id: 1, type: 'var', name: 'b', secret: secrets.group }] },
        keys: {
          13: { type: 'login_password', login_password: { login: '', password: secrets.login } },
          14: { type: 'login_password', login_password: { login: '', password: secrets.become } },
          15: { type: 'login_password', login_password: { login: '', password: secrets.vault } },
          16: { type: 'login_password', login_password: { login: '', password: 'another-s3cret' } },
        },
      },
      { host: task },
    );
    clearInterval(timer);
    expect(plain(lines)).toContain('"msg": "opened"');
    expect(outcome).toEqual({ kind: 'success' });
    const sha1 = (text: string) => execFileSync('sha1sum', { input: text, encoding: 'utf8' }).slice(0, 8);
    expect(plain(lines)).toContain(sha1(secrets.survey) + sha1(secrets.group));
    expect(looks.length).toBeGreaterThan(2);
    const visible = `${looks.join('\n')}\n${everythingVisible(room.root)}\n${lines.join('\n')}`;
    for (const secret of [...Object.values(secrets), 'another-s3cret']) {
      expect(visible).not.toContain(secret);
      expect(task.secrets).toContain(secret);
    }
    expect(existsSync(join(room.project, 'task_4711'))).toBe(false);
  });

  it('hands both passwords over through pipes (seen by a stand-in for ansible-playbook)', async () => {
    const bin = tempDir();
    const script =
      '#!/bin/sh\nwhile [ $# -gt 0 ]; do case $1 in --*-password-file) echo "$1 $(cat "$2") $(cat "$2")"; shift;; --user|--become-user) echo "$1 $2"; shift;; esac; shift; done\n';
    writeFileSync(join(bin, 'ansible-playbook'), script, { mode: 0o755 });
    const { lines } = await taskRoom().run(
      {
        ...ansible({ 'site.yml': '' }),
        inventory: { ssh_key_id: 13, become_key_id: 14 },
        keys: {
          13: { type: 'login_password', login_password: { login: 'deploy', password: 'login pw' } },
          14: { type: 'login_password', login_password: { login: 'admin', password: 'become pw' } },
        },
      },
      { hostEnv: { PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` } },
    );
    expect(lines.slice(-4)).toEqual([
      '--user deploy',
      '--connection-password-file login pw login pw',
      '--become-user admin',
      '--become-password-file become pw become pw',
    ]);
  });

  it.each([
    ['static-yaml', 'all: {hosts: {localhost: {ansible_connection: local, greeting: yaml}}}', 'yaml'],
    ['file', 'hosts/prod.ini', 'file'],
  ])('takes its hosts from a %s inventory', async (type, inventory, greeting) => {
    const files = {
      'site.yml': play(show("'hello ' + greeting")),
      'hosts/prod.ini': 'localhost ansible_connection=local greeting=file\n',
    };
    const { outcome, lines } = await taskRoom().run({ ...ansible(files), inventory: { type, inventory } });
    expect(outcome).toEqual({ kind: 'success' });
    expect(plain(lines)).toContain(`"msg": "hello ${greeting}"`);
  });

  it('takes its hosts from an inventory in another repository', async () => {
    const other = new TestRepository();
    other.commit({ 'prod.ini': 'localhost ansible_connection=local greeting=elsewhere\n' });
    const { outcome, lines } = await taskRoom().run({
      ...ansible({ 'site.yml': play(show("'hello ' + greeting")) }),
      inventory: { type: 'file', inventory: 'prod.ini', repository_id: 9 },
      job: {
        inventory_repository: {
          id: 9,
          name: 'hosts',
          project_id: 7,
          git_url: other.url,
          git_branch: 'main',
          ssh_key_id: 0,
        },
      },
    });
    expect(outcome).toEqual({ kind: 'success' });
    expect(lines).toContain('cloning inventory repository');
    expect(plain(lines)).toContain('"msg": "hello elsewhere"');
  });

  it.each([
    ['a path that leads out', { type: 'file', inventory: '../../x' }, /leads out of the repository/],
    [
      'a file that is not there',
      { type: 'file', inventory: 'none.ini' },
      /^Task failed in inventory: there is no file none\.ini/,
    ],
    ['another type', { type: 'tofu-workspace', inventory: 'prod' }, /invalid inventory type: tofu-workspace/],
    ['none', { type: '', inventory: '' }, /the template has no inventory/],
  ])('refuses an inventory that is %s', async (_what, inventory, reason) => {
    const { outcome } = await taskRoom().run({ ...ansible({ 'site.yml': '' }), inventory });
    expect(reasonIn(outcome)).toMatch(reason);
  });

  it('obeys check, diff, limit, tags and the playbook and directory that were chosen', async () => {
    const file = join(tempDir(), 'file');
    const files = {
      'site.yml': '',
      'other/play.yml': play(
        `copy: {dest: ${file}, content: new}\ntags: [copy]`,
        `debug: {msg: skipped}\ntags: [never]`,
        `${show("lookup('pipe', 'pwd')")}\ntags: [where]`,
      ),
    };
    const { outcome, lines } = await taskRoom().run({
      ...ansible(files, {
        working_directory: 'other',
        task_params: { allow_override_tags: true, limit: ['localhost'], allow_debug: true },
      }),
      task: {
        playbook: 'other/play.yml',
        params: { dry_run: true, diff: true, tags: ['copy', 'where'], debug: true, debug_level: 1 },
      },
      inventory: { inventory: 'localhost ansible_connection=local\nunused ansible_connection=local\n' },
    });
    expect(outcome).toEqual({ kind: 'success' });
    const log = plain(lines);
    expect(log).toContain('+new');
    expect(existsSync(file)).toBe(false);
    expect(log).not.toContain('unused');
    expect(log).not.toContain('skipped"');
    expect(log).toMatch(/"msg": ".*\/other"/);
  });

  it('ends with one line that tells what failed', async () => {
    const failed = await taskRoom().run(ansible({ 'site.yml': play('fail: {msg: on purpose}') }));
    expect(reasonIn(failed.outcome)).toBe(
      'Task failed in run: ansible-playbook exited with code 2 (a task failed on one or more hosts).',
    );
    const syntax = await taskRoom().run(ansible({ 'site.yml': '- hosts: [' }));
    expect(reasonIn(syntax.outcome)).toMatch(/^Task failed in run: ansible-playbook exited with code [14]/);
  });

  it('is stopped while it runs', async () => {
    const task = await testTaskHost((step) => step.key === 'run' && setTimeout(() => task.stop(), 1500));
    const { outcome } = await taskRoom().run(ansible({ 'site.yml': play('wait_for: {timeout: 60}') }), { host: task });
    expect(outcome).toEqual({ kind: 'stopped' });
  });

  it('installs roles and collections once, and again when the file has changed', async () => {
    const role = new TestRepository();
    role.commit({
      'meta/main.yml':
        'galaxy_info: {author: a, description: d, license: MIT, min_ansible_version: "2.9", platforms: []}\n',
      'tasks/main.yml': '- debug: {msg: role one}\n',
    });
    const repository = new TestRepository();
    const requirements = `roles:\n  - {src: "git+${role.url}", name: greeter, version: main}\n`;
    repository.commit({
      'site.yml': '- {hosts: all, gather_facts: false, roles: [greeter]}\n',
      'roles/requirements.yml': requirements,
    });
    const room = taskRoom();
    const parts = { template: { app: 'ansible', playbook: 'site.yml' }, repository: { git_url: repository.url } };
    // `git` below ansible-galaxy clones from a file here.
    const config = { envVars: { GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' } };
    const first = await room.run(parts, { config });
    expect(first.outcome).toEqual({ kind: 'success' });
    expect(plain(first.lines)).toContain('"msg": "role one"');
    const second = await room.run(parts, { config });
    expect(second.lines.filter((line) => /roles\/requirements\.yml has no changes\. Skip/.test(line))).toHaveLength(1);
    expect(second.task.steps.map(({ command }) => command)).not.toContain('ansible-galaxy');
    repository.commit({ 'roles/requirements.yml': `${requirements}# changed\n` });
    const third = await room.run(parts, { config });
    expect(third.task.steps.map(({ command }) => command)).toContain('ansible-galaxy');
    const skipped = await room.run(
      { ...parts, template: { ...parts.template, task_params: { skip_galaxy_install: true } } },
      { config },
    );
    expect(skipped.lines).toContain('Galaxy install step is skipped.');
  });

  it('fails with a line when requirements cannot be installed', async () => {
    const { outcome } = await taskRoom().run(
      ansible({
        'site.yml': play(show('1')),
        'requirements.yml': 'roles:\n  - {src: "git+file:///no/such", name: x}\n',
      }),
    );
    expect(reasonIn(outcome)).toMatch(/^Task failed in requirements: ansible-galaxy exited with code/);
  });

  it('keeps what Ansible keeps in the home of its template', async () => {
    const room = taskRoom();
    const { lines } = await room.run(ansible({ 'site.yml': play(show("lookup('env', 'ANSIBLE_HOME')")) }));
    expect(plain(lines)).toContain(`"msg": "${join(room.project, 'repository_3_template_33_home', '.ansible')}"`);
  });
});

it('a missing ansible-playbook fails the task with a line that names it and the remedy', async () => {
  const bin = tempDir();
  for (const tool of ['git', 'cat', 'sh']) {
    writeFileSync(
      join(bin, tool),
      `#!/bin/sh\nexec ${execFileSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).trim()} "$@"\n`,
      { mode: 0o755 },
    );
  }
  const { outcome } = await taskRoom().run(ansible({ 'site.yml': '' }), { hostEnv: { PATH: bin } });
  expect(reasonIn(outcome)).toMatch(/^Task failed in run: ansible-playbook cannot be started: .*Install ansible-core/);
});

describe.runIf(here && needs('sshd') && needs('ssh'))('an Ansible task over ssh', () => {
  let sshd: TestSshd;
  let directory: string;
  let key: { privateKey: string; publicKey: string };
  // Nobody else's: the environments and arguments of all processes are searched for it.
  const passphrase = `open ${randomUUID()}`;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'semaphore-ansible-ssh-'));
    sshd = await startSshd(directory);
    key = makeKey(directory, { passphrase });
    sshd.authorize(key.publicKey);
  });
  afterAll(async () => {
    await sshd.close();
    rmSync(directory, { recursive: true, force: true });
  });

  function overSsh(): JobParts {
    return {
      ...ansible(
        {
          'site.yml': play(
            "command: echo connected through ssh {{ lookup('env', 'x') }}",
            'command: printenv SSH_CONNECTION',
          ),
        },
        { arguments: '["-v"]' },
      ),
      inventory: {
        inventory: `target ansible_host=127.0.0.1 ansible_port=${sshd.port} ansible_python_interpreter=/usr/bin/python3 ansible_ssh_use_tty=false\n`,
        ssh_key_id: 12,
      },
    };
  }

  it('logs in with a key that is never on disk, in an argument or in an environment', async () => {
    const room = taskRoom();
    const looks: string[] = [];
    let timer: NodeJS.Timeout | undefined;
    const task = await testTaskHost((step) => {
      if (step.key === 'run') timer = setInterval(() => looks.push(everythingVisible(room.root)), 200);
    });
    const { outcome, lines } = await room.run(
      {
        ...overSsh(),
        keys: {
          12: { type: 'ssh', ssh: { login: sshd.user, passphrase, private_key: key.privateKey } },
        },
      },
      { host: task },
    );
    clearInterval(timer);
    expect(plain(lines)).toContain('connected through ssh');
    expect(plain(lines)).toContain(`127.0.0.1 ${sshd.port}`);
    expect(outcome).toEqual({ kind: 'success' });
    expect(looks.length).toBeGreaterThan(2);
    const visible = [...looks, everythingVisible(room.root), ...lines].join('\n');
    // Any line of the key, which may be written down in another form than it came in.
    for (const secret of [passphrase, ...key.privateKey.split('\n').slice(1, -2)]) {
      expect(secret.length).toBeGreaterThan(10);
      expect(visible.includes(secret)).toBe(false);
    }
  });

  it('works where the work root has a path too long for the sockets of ssh', async () => {
    const room = taskRoom();
    const deep = join(room.root, 'a-rather-long-name-for-a-directory-of-a-runner', 'and-another-one-below-it');
    const { Workspace } = await import('../../src/workspace/index.ts');
    const workspace = new Workspace({ root: deep });
    const before = new Set(readdirSync(tmpdir()));
    const { outcome, lines } = await room.run(
      {
        ...overSsh(),
        keys: {
          12: { type: 'ssh', ssh: { login: sshd.user, passphrase, private_key: key.privateKey } },
        },
      },
      { workspace },
    );
    expect(plain(lines)).toContain('connected through ssh');
    expect(outcome).toEqual({ kind: 'success' });
    expect(readdirSync(tmpdir()).filter((name) => /^(cp|agent)-\w{6}$/.test(name) && !before.has(name))).toEqual([]);
  });

  it('says when the key cannot be used, and when no host lets it in', async () => {
    const wrong = await taskRoom().run({
      ...overSsh(),
      keys: { 12: { type: 'ssh', ssh: { login: sshd.user, passphrase: 'wrong', private_key: key.privateKey } } },
    });
    expect(reasonIn(wrong.outcome)).toMatch(/^Task failed in inventory: the key "key 12" cannot be used: .*passphrase/);
    const stranger = makeKey(tempDir());
    const refused = await taskRoom().run({
      ...overSsh(),
      keys: { 12: { type: 'ssh', ssh: { login: sshd.user, passphrase: '', private_key: stranger.privateKey } } },
    });
    expect(reasonIn(refused.outcome)).toMatch(/code 4 \(one or more hosts were unreachable\).*refused the login/);
  });
});
