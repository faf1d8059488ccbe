import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificates, type Certificates } from '../http/certificates.ts';
import { startGitHttp } from '../support/git-http.ts';
import { git, TestRepository } from '../support/git-repository.ts';
import { makeKey, startSshd, type TestSshd } from '../support/sshd.ts';
import { testTaskHost } from '../support/task-host.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';
import { taskRoom, type JobParts, type TaskRun } from './support.ts';

const here = needs('ssh') && needs('sshd') && needs('openssl') && needs('ansible-galaxy');
const secret = "p@ss/w0rd:%41'$x";

describe.skipIf(!here)('keys for other hosts and URLs', () => {
  let directory: string;
  let sshd: TestSshd;
  let certificates: Certificates;
  let key: { privateKey: string };
  let administratorsFile: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'semaphore-hosts-'));
    sshd = await startSshd(directory);
    const made = makeKey(directory);
    sshd.authorize(made.publicKey);
    key = made;
    certificates = makeCertificates(directory);
    administratorsFile = join(directory, 'ssh config');
    // An alias has no port of its own: it comes from what the administrator says of the host it leads to.
    writeFileSync(administratorsFile, `Match host 127.0.0.1\n  Port ${sshd.port}\n`, { mode: 0o600 });
  });
  afterAll(async () => {
    await sshd.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const sshKey = (login = ''): Record<string, unknown> => ({
    type: 'ssh',
    ssh: { login, passphrase: '', private_key: key.privateKey },
  });
  const password = { type: 'login_password', login_password: { login: 'alice', password: secret } };
  const mapping = (type: string, host: string, keyId = 12, id = 5) => ({
    id,
    project_id: 7,
    type,
    host,
    ssh_key_id: keyId,
  });

  /** A repository with a script, and what a task with these mappings makes of it. */
  async function run(
    script: string,
    mappings: unknown[],
    keys: JobParts['keys'],
    more: JobParts = {},
  ): Promise<TaskRun> {
    const repository = new TestRepository();
    repository.commit({ 'run.sh': script });
    const parts: JobParts = {
      ...more,
      job: { host_configs: mappings },
      template: { app: 'bash', playbook: 'run.sh', ...more.template },
      repository: { git_url: repository.url, ...more.repository },
      ...(keys ? { keys } : {}),
    };
    return await taskRoom().run(parts, { config: configured() });
  }

  function configured() {
    return {
      ssh: { configPath: administratorsFile, knownHostsFile: undefined, strictHostKeyChecking: 'no' as const },
      envVars: {
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_CONFIG_SYSTEM: '/dev/null',
        GIT_SSL_CAINFO: certificates.caFile,
        GIT_TERMINAL_PROMPT: '0',
      },
    };
  }

  async function served(): Promise<{
    origin: string;
    repository: TestRepository;
    requests: { authorization: string | undefined }[];
  }> {
    const root = tempDir();
    const repository = new TestRepository(join(root, 'team', 'role'));
    repository.commit(
      {
        'meta/main.yml': 'galaxy_info: {author: test, description: test, license: MIT, min_ansible_version: "2.9"}\n',
        'tasks/main.yml': '- ansible.builtin.debug: {msg: from the role}\n',
      },
      'role',
    );
    const { key: tlsKey, cert } = certificates.good;
    const server = await startGitHttp({
      root,
      credentials: { login: 'alice', password: secret },
      tls: { key: tlsKey, cert },
    });
    return { ...server, repository };
  }

  it('opens a host with its own key, for the repository, its submodules and the script', async () => {
    const other = new TestRepository();
    other.commit({ inner: 'x\n' });
    const url = `ssh://${sshd.user}@127.0.0.1:${sshd.port}${other.bare}`;
    const main = new TestRepository();
    main.commit({
      'run.sh': `cat sub/inner; git clone -q ${url} cloned-$$ && echo cloned; cat "\${GIT_SSH_COMMAND##* }"\n`,
    });
    git(main.work, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', other.bare, 'sub');
    main.git('config', '--file', '.gitmodules', 'submodule.sub.url', url);
    main.commit({}, 'with a submodule');
    const parts: JobParts = {
      job: { host_configs: [mapping('host', '127.0.0.1')] },
      template: { app: 'bash', playbook: 'run.sh' },
      repository: { git_url: main.url },
      keys: { 12: sshKey('nobody-by-default') },
    };
    const { outcome, lines, task } = await taskRoom().run(parts, { config: configured() });
    expect(lines).toContain('cloned');
    expect(outcome).toEqual({ kind: 'success' });
    expect(lines).toContain('Host 127.0.0.1');
    expect(lines).toContain('  User nobody-by-default');
    expect(lines.at(-2)).toBe('Match all');
    expect(lines.at(-1)).toBe(`  Include "${administratorsFile}"`);
    expect(JSON.stringify(task.steps)).not.toContain('PRIVATE KEY');
  });

  it('reaches a URL over ssh by an alias, which leads to that host only', async () => {
    const other = new TestRepository();
    other.commit({ inner: 'x\n' });
    const url = `https://127.0.0.1/${other.bare}`;
    const { outcome, lines } = await run(
      `git clone -q ${url} cloned-$$ && git -C cloned-$$ config remote.origin.url`,
      [mapping('url', 'https://127.0.0.1')],
      { 12: sshKey(sshd.user) },
    );
    expect(lines.at(-1)).toBe(url);
    expect(outcome).toEqual({ kind: 'success' });
  });

  it('hands login and password to the URLs that begin so, and to no others; they are nowhere to be seen', async () => {
    const { origin, requests, repository } = await served();
    repository.commit({}, 'more');
    const room = taskRoom();
    const main = new TestRepository();
    main.commit({
      'run.sh': [
        `git ls-remote ${origin}/team/role/origin.git main && echo in`,
        `git ls-remote ${origin}/elsewhere/x.git 2>&1 || echo kept out`,
        `git ls-remote ${origin.replace('127.0.0.1', 'localhost')}/team/role/origin.git 2>&1 || echo kept out too`,
        'env; cat /proc/self/environ; ps -ef',
      ].join('\n'),
    });
    const watched: string[] = [];
    const host = await testTaskHost(() => watched.push(everything(room.project)));
    const { outcome, lines } = await room.run(
      {
        job: { host_configs: [mapping('url', `${origin}/team/ro`)] },
        template: { app: 'bash', playbook: 'run.sh' },
        repository: { git_url: main.url },
        keys: { 12: password },
      },
      { config: configured(), host },
    );
    expect(outcome).toEqual({ kind: 'success' });
    expect(lines).toEqual(expect.arrayContaining(['in', 'kept out', 'kept out too']));
    expect(requests.some(({ authorization }) => authorization === `alice:${secret}`)).toBe(true);
    for (const form of [secret, encodeURIComponent(secret), Buffer.from(`alice:${secret}`).toString('base64')]) {
      expect(lines.join('\n')).not.toContain(form);
      expect(JSON.stringify(host.steps)).not.toContain(form);
      expect(watched.join('\n') + everything(room.project)).not.toContain(form);
    }
  });

  it.each([
    ['opens a repository that has no key of its own', 0, password],
    ['leaves a repository its own key', 13, { ...password, login_password: { login: 'mallory', password: 'wrong' } }],
  ])('%s', async (_name, ownKey, mapped) => {
    const { origin, repository } = await served();
    repository.commit({ 'run.sh': 'echo ran' });
    const { outcome, lines } = await taskRoom().run(
      {
        job: { host_configs: [mapping('url', `${origin}/team/role`)] },
        template: { app: 'bash', playbook: 'run.sh' },
        repository: { git_url: `${origin}/team/role/origin.git`, ssh_key_id: ownKey },
        keys: { 12: mapped, 13: password },
      },
      { config: configured() },
    );
    expect(outcome).toEqual({ kind: 'success' });
    expect(lines.at(-1)).toBe('ran');
  });

  it('does not reach a host whose name only begins the same', async () => {
    const { origin, requests } = await served();
    // As a rewrite of the URL the password would go to whoever owns the longer name.
    const { lines } = await run(
      `git ls-remote ${origin}0/team/role/origin.git 2>&1 || echo kept out`,
      [mapping('url', origin)],
      {
        12: password,
      },
    );
    expect(lines.at(-1)).toBe('kept out');
    expect(requests).toEqual([]);
  });

  it.each([
    ['a mapped URL with a password', true],
    ["the repository's own password", false],
  ])('lets ansible-galaxy install a role with %s', async (_name, mapped) => {
    const { origin, repository: role } = await served();
    const url = `${origin}/team/role/origin.git`;
    const room = taskRoom();
    const main = mapped ? new TestRepository() : role;
    main.commit({
      'site.yml': '- hosts: all\n  gather_facts: false\n  roles: [mapped_role]\n',
      'roles/requirements.yml': `- {name: mapped_role, src: "git+${url}", version: main}\n`,
    });
    const { outcome, lines } = await room.run(
      {
        job: mapped ? { host_configs: [mapping('url', `${origin}/`)] } : {},
        template: { app: 'ansible', playbook: 'site.yml' },
        repository: mapped ? { git_url: main.url } : { git_url: url, ssh_key_id: 12 },
        keys: { 12: password },
      },
      { config: configured() },
    );
    expect(lines.join('\n')).toContain('from the role');
    expect(outcome).toEqual({ kind: 'success' });
    expect(everything(room.project)).not.toContain(encodeURIComponent(secret));
  });

  it.runIf(needs('terraform'))('lets terraform init fetch a module from a mapped URL', async () => {
    const { origin, repository, requests } = await served();
    repository.commit({ 'main.tf': 'output "said" { value = "from the module" }\n' });
    const room = taskRoom();
    const main = new TestRepository();
    const source = `git::${origin}/team/role/origin.git`;
    main.commit({
      'main.tf': `module "m" { source = "${source}" }\noutput "said" { value = module.m.said }\n`,
    });
    const { outcome, lines } = await room.run(
      {
        job: { host_configs: [mapping('url', `${origin}/team/`)] },
        template: { app: 'terraform', playbook: '' },
        task: { params: { plan: true } },
        repository: { git_url: main.url },
        keys: { 12: password },
      },
      { config: configured() },
    );
    expect(lines.join('\n')).toContain('from the module');
    expect(outcome).toEqual({ kind: 'success' });
    expect(requests.some(({ authorization }) => authorization === `alice:${secret}`)).toBe(true);
    expect(everything(room.project)).not.toContain(encodeURIComponent(secret));
  });

  it('lets Ansible reach a mapped host with its own key', async () => {
    const inventory = `127.0.0.1 ansible_port=${sshd.port} ansible_user=${sshd.user} ansible_python_interpreter=/usr/bin/python3 ansible_ssh_use_tty=false\n`;
    const main = new TestRepository();
    main.commit({ 'site.yml': '- hosts: all\n  gather_facts: false\n  tasks: [{ping: }]\n' });
    const parts: JobParts = {
      job: { host_configs: [mapping('host', '127.0.0.1')] },
      template: { app: 'ansible', playbook: 'site.yml' },
      inventory: { inventory },
      repository: { git_url: main.url },
      keys: { 12: sshKey() },
    };
    const { outcome, task } = await taskRoom().run(parts, { config: configured() });
    expect(outcome).toEqual({ kind: 'success' });
    const { args = [] } = task.steps.find(({ key: name }) => name === 'run') ?? {};
    expect(args[args.indexOf('--ssh-common-args') + 1]).toMatch(/^-F \S+\/task_4711\/ssh-config$/);
  });

  it.each([
    [
      'a login that is an option',
      mapping('host', 'git.example'),
      () => sshKey('-oProxyCommand=x'),
      'whose login cannot be',
    ],
    ['a pattern as host', mapping('host', '*'), () => sshKey(), 'is not a host name'],
    ['two lines as host', mapping('host', 'a\nProxyCommand x'), () => sshKey(), 'is not a host name'],
    ['a password for a host', mapping('host', 'git.example'), () => password, 'has a key of type login_password'],
    [
      'a text as key of a URL',
      mapping('url', 'https://git.example/'),
      () => ({ type: 'string', string: 'token-1234' }),
      'has a key of type string',
    ],
    ['a password over http', mapping('url', 'http://git.example/'), () => password, 'unencrypted'],
    [
      'a URL with a user',
      mapping('url', 'https://me:pw-1234@git.example/'),
      () => sshKey(),
      '"https://git.example/" is not',
    ],
    ['a URL with a quote', mapping('url', "https://git.example/a'b"), () => password, 'is not an http(s) URL'],
    ['another scheme', mapping('url', 'ssh://git.example/'), () => sshKey(), 'is not an http(s) URL'],
  ])('refuses %s', async (_name, entry, keyOf, reason) => {
    const { outcome } = await run('echo never', [entry], { 12: keyOf() });
    expect(outcome).toEqual({ kind: 'failed', reason: expect.stringContaining(reason) });
    expect(JSON.stringify(outcome)).not.toContain('pw-1234');
  });

  it('goes on without a key that the server did not send', async () => {
    const { outcome, lines } = await run('echo done', [mapping('host', 'git.example', 99)], {});
    expect(outcome).toEqual({ kind: 'success' });
    expect(lines).toContain('The key for "git.example" is empty or was not sent by the server: it is not used');
  });
});

/** Every file below `path`, as text. */
function everything(path: string): string {
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .map((name) => join(path, name))
    .filter((name) => statSync(name, { throwIfNoEntry: false })?.isFile())
    .map((name) => readFileSync(name, 'latin1'))
    .join('\n');
}
