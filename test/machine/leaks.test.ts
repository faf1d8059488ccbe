import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { canMakeAccounts, makeAccount } from '../support/accounts.ts';
import { ensureBuilt, startProgram, type RunningProgram } from '../support/e2e/program.ts';
import { killProcessesWith } from '../support/e2e/survivors.ts';
import { startGitHttp } from '../support/git-http.ts';
import { TestRepository } from '../support/git-repository.ts';
import {
  exposedBelow,
  familyOf,
  furtherDescriptors,
  looseIn,
  markedWith,
  seenInFiles,
  seenInProcesses,
  type Secrets,
} from '../support/leak-audit.ts';
import { startRegisterServer } from '../support/register-server.ts';
import { bashJob, ScriptedServer } from '../support/scripted-server.ts';
import { makeKey } from '../support/sshd.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';

vi.setConfig({ testTimeout: 180_000 });

/** A task with secrets of every kind: while it runs and after it, they are where they must be and nowhere else. */

const secret = (name: string): string => `${name}-${randomBytes(9).toString('hex')}`;

interface Scene {
  directory: string;
  /** What the runner writes to. */
  places: { state: string; work: string; home: string; tmp: string };
  server: ScriptedServer;
  mark: string;
  token: string;
  configFile: string;
  env: Record<string, string>;
  start: (args?: readonly string[], env?: Readonly<Record<string, string>>) => RunningProgram;
}

async function scene(
  more: { top?: Record<string, unknown>; runner?: Record<string, unknown>; noToken?: boolean } = {},
): Promise<Scene> {
  ensureBuilt();
  const directory = tempDir('semaphore-leaks-');
  const places = {
    state: join(directory, 'state'),
    work: join(directory, 'work'),
    home: join(directory, 'home'),
    tmp: join(directory, 'tmp'),
  };
  mkdirSync(places.home, { mode: 0o755 });
  mkdirSync(places.tmp, { mode: 0o755 });
  const mark = secret('leaks');
  const token = secret('runner-token');
  const server = new ScriptedServer();
  await server.listen();
  const tokenFile = join(directory, 'runner.token');
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
  const configFile = join(directory, 'config.json');
  const config = {
    web_host: server.url,
    tmp_path: places.work,
    env_vars: { TEST_MARK: mark, GO: join(directory, 'go') },
    ...more.top,
    runner: { state_dir: places.state, ...(more.noToken ? {} : { token_file: tokenFile }), ...more.runner },
  };
  writeFileSync(configFile, JSON.stringify(config), { mode: 0o600 });
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: places.home,
    TMPDIR: places.tmp,
    LANG: 'C.UTF-8',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_SYSTEM: '/dev/null',
  };
  const started: RunningProgram[] = [];
  onTestFinished(async ({ task }) => {
    if (task.result?.state === 'fail') for (const one of started) process.stderr.write(`${one.output()}\n`);
    for (const { child } of started) child.kill('SIGKILL');
    await Promise.all(started.map(({ ended }) => ended));
    killProcessesWith(mark);
    await server.close();
  });
  const start = (args: readonly string[] = [], own: Readonly<Record<string, string>> = {}): RunningProgram => {
    const program = startProgram(['runner', 'start', '--config', configFile, ...args], {
      cwd: directory,
      env: { ...env, ...own },
      log: join(directory, 'runner.log'),
    });
    started.push(program);
    return program;
  };
  return { directory, places, server, mark, token, configFile, env, start };
}

/** Looks again and again until `done`, and keeps all that was ever seen. */
async function watch(look: () => readonly string[], done: () => boolean, timeoutMs = 90_000): Promise<string[]> {
  const seen = new Set<string>();
  const deadline = Date.now() + timeoutMs;
  while (!done()) {
    if (Date.now() > deadline) throw new Error('what the test waits for did not happen in time');
    for (const sighting of look()) seen.add(sighting);
    await delay(10);
  }
  for (const sighting of look()) seen.add(sighting);
  return [...seen];
}

describe.runIf(needs('ansible-playbook') && needs('git'))('secrets of a task', () => {
  it('are in no command line, no file and no environment but those the specification names', async () => {
    const { directory, places, server, mark, token, start } = await scene();
    const key = makeKey(tempDir(), { passphrase: 'passphrase-of-the-key' });
    const secrets: Secrets = {
      token,
      'URL password': secret('url'),
      'private key': key.privateKey.split('\n')[3] ?? '',
      passphrase: 'passphrase-of-the-key',
      'become password': secret('become'),
      'vault password': secret('vault'),
      'survey secret': secret('survey'),
      'group secret': secret('group'),
      'environment secret': secret('env'),
      JWT: secret('jwt'),
    };
    const vaultPassword = join(tempDir(), 'password');
    writeFileSync(vaultPassword, `${secrets['vault password'] ?? ''}\n`);
    const vaulted = execFileSync(
      'ansible-vault',
      ['encrypt', '--vault-password-file', vaultPassword, '--output', '-'],
      {
        input: 'from_vault: in the vault\n',
        encoding: 'utf8',
        stdio: ['pipe', 'pipe', 'ignore'],
      },
    );
    const repository = new TestRepository();
    repository.commit({
      'vars.yml': vaulted,
      'wait.sh': 'until [ -e "$GO" ]; do sleep 0.05; done',
      'site.yml': `
- hosts: all
  gather_facts: false
  vars_files: [vars.yml]
  tasks:
    - debug: {msg: "has {{ from_vault }} {{ answer | length }} {{ group_secret | length }}"}
    - command: sh wait.sh
    - debug: {msg: "says {{ answer }}"}
`,
    });
    const git = await startGitHttp({
      root: join(repository.bare, '..'),
      credentials: { login: 'robot', password: secrets['URL password'] ?? '' },
    });
    const url = git.origin.replace('://', `://robot:${secrets['URL password'] ?? ''}@`);
    const inventory = 'localhost ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n';
    const { task, ...rest } = bashJob(1, '', '') as Record<string, object>;
    const job = {
      ...rest,
      task: { ...task, secret: JSON.stringify({ answer: secrets['survey secret'] }) },
      template: {
        id: 1,
        project_id: 1,
        repository_id: 1,
        name: 'site',
        playbook: 'site.yml',
        app: 'ansible',
        survey_vars: [{ name: 'answer', title: 'Answer', type: 'secret' }],
        vaults: [{ id: 1, project_id: 1, template_id: 1, vault_key_id: 4, name: 'default', type: 'password' }],
      },
      inventory: { id: 1, name: 'here', project_id: 1, inventory, ssh_key_id: 2, become_key_id: 3, type: 'static' },
      repository: { id: 1, name: 'r', project_id: 1, git_url: `${url}/origin.git`, git_branch: 'main', ssh_key_id: 1 },
      environment: {
        id: 1,
        name: '',
        project_id: 1,
        json: '{}',
        env: null,
        secrets: [
          { id: 1, type: 'var', name: 'group_secret', secret: secrets['group secret'] },
          { id: 2, type: 'env', name: 'ENV_SECRET', secret: secrets['environment secret'] },
        ],
      },
      jwt: secrets['JWT'],
    };
    const login = (password: string) => ({ type: 'login_password', login_password: { login: '', password } });
    server.extra = {
      access_keys: {
        '1': { id: 1, name: 'none', type: 'none', project_id: 1 },
        '2': {
          id: 2,
          name: 'hosts',
          type: 'ssh',
          project_id: 1,
          ssh: { login: '', passphrase: secrets['passphrase'], private_key: key.privateKey },
        },
        '3': { id: 3, name: 'become', project_id: 1, ...login(secrets['become password'] ?? '') },
        '4': { id: 4, name: 'vault', project_id: 1, ...login(secrets['vault password'] ?? '') },
      },
    };
    server.offer(1, job);
    const runner = start();
    const processes = () => [...familyOf(runner.pid), ...markedWith(mark)];
    const look = (): string[] => seenInProcesses(processes(), secrets);
    const files = Object.values(places);
    const lookAtFiles = (): string[] => seenInFiles(files, secrets);

    let waiting = false;
    const early = await watch(look, () => {
      waiting ||= server.lines(1).some((line) => line.includes('has in the vault'));
      return waiting || server.status(1) === 'error';
    });
    expect(server.lines(1).join('\n')).toContain('has in the vault');
    // It runs and has all its secrets.
    const during = [...early, ...look()];
    expect(during.filter((sighting) => !/^(JWT|environment secret) in environ of /.test(sighting))).toEqual([]);
    // The audit sees what is there: these two belong there.
    expect(during.some((sighting) => sighting.startsWith('JWT in environ of ansible'))).toBe(true);
    expect(seenInProcesses([runner.pid], secrets)).toEqual([]);
    expect(lookAtFiles()).toEqual([]);
    expect(looseIn(places.state)).toEqual([]);
    expect(exposedBelow([places.state, places.work, places.tmp])).toEqual([]);

    writeFileSync(join(directory, 'go'), '');
    const late = await watch(look, () => server.status(1) === 'success' || server.status(1) === 'error');
    expect(late.filter((sighting) => !/^(JWT|environment secret) in environ of /.test(sighting))).toEqual([]);
    expect(server.status(1)).toBe('success');
    expect(server.lines(1).join('\n')).toContain('says ***');
    await expect.poll(() => readdirSync(join(places.state, 'jobs')), { timeout: 30_000 }).toEqual([]);
    expect(lookAtFiles()).toEqual([]);
    expect(seenInFiles([join(directory, 'runner.log')], secrets)).toEqual([]);
    expect(readFileSync(join(directory, 'runner.log'), 'utf8')).not.toContain(token);
    expect(exposedBelow([places.state, places.work, places.tmp])).toEqual([]);
  });

  it('that a script prints are in its log on this machine only, which is closed to others', async () => {
    const { places, server, start, directory } = await scene();
    const group = secret('group');
    const repository = join(directory, 'scripts');
    mkdirSync(repository);
    writeFileSync(join(repository, 'a.sh'), 'echo "$1"; until [ -e "$GO" ]; do sleep 0.05; done');
    const environment = { id: 1, name: '', project_id: 1, json: '{}', env: null };
    const secrets = [{ id: 1, type: 'var', name: 'name', secret: group }];
    server.offer(1, bashJob(1, repository, 'a.sh', { environment: { ...environment, secrets } }));
    start();
    await expect.poll(() => server.lines(1), { timeout: 30_000 }).toContain('name=***');
    const log = join(places.state, 'jobs', '1', 'output.log');
    expect(seenInFiles([places.state], { group })).toEqual([`group in ${log}`]);
    expect(looseIn(places.state)).toEqual([]);
    writeFileSync(join(directory, 'go'), '');
    await expect.poll(() => server.status(1), { timeout: 30_000 }).toBe('success');
    // The directory is moved aside before it is removed.
    await expect.poll(() => seenInFiles(Object.values(places), { group }), { timeout: 30_000 }).toEqual([]);
  });
});

describe('the tokens of the runner', () => {
  const script = ['echo ready', 'until [ -e "$GO" ]; do sleep 0.05; done'].join('\n');

  it.each(['file', 'environment'] as const)('from the %s are in no command line and no environment', async (from) => {
    const { directory, mark, places, server, start, token } = await scene({ noToken: from === 'environment' });
    const repository = join(directory, 'scripts');
    mkdirSync(repository);
    writeFileSync(join(repository, 'a.sh'), script);
    server.offer(1, bashJob(1, repository, 'a.sh'));
    const own = from === 'file' ? {} : { SEMAPHORE_RUNNER_TOKEN: token };
    const runner = start([], own);
    await expect.poll(() => server.lines(1), { timeout: 30_000 }).toContain('ready');
    const family = [...familyOf(runner.pid), ...markedWith(mark)];
    expect(family.length).toBeGreaterThan(2);
    expect(seenInProcesses(family, { token })).toEqual([]);
    expect(seenInFiles(Object.values(places), { token })).toEqual([]);
    expect(server.headers.get('GET')?.['x-runner-token']).toBe(token);
    writeFileSync(join(directory, 'go'), '');
    await expect.poll(() => server.status(1), { timeout: 30_000 }).toBe('success');
  });

  it.each(['file', 'environment'] as const)('a registration token from the %s is in none either', async (from) => {
    const { directory, places, start } = await scene();
    const register = await startRegisterServer();
    // The server lets nobody in for now, so that there is time to look.
    const registration = secret('registration');
    const file = join(directory, 'registration.token');
    writeFileSync(file, from === 'file' ? registration : '', { mode: 0o600 });
    writeFileSync(join(directory, 'runner.token'), '');
    const own = { SEMAPHORE_WEB_ROOT: register.url };
    const runner =
      from === 'file'
        ? start(['--register', '--registration-token-file', file], own)
        : start(['--register'], { ...own, SEMAPHORE_RUNNER_REGISTRATION_TOKEN: registration });
    await expect.poll(() => register.requests.length, { timeout: 30_000 }).toBeGreaterThan(0);
    expect(seenInProcesses(familyOf(runner.pid), { registration })).toEqual([]);
    expect(seenInFiles([...Object.values(places), join(directory, 'runner.log')], { registration })).toEqual([]);
  });
});

describe('a tool', () => {
  it('inherits no descriptor and no file mode mask of the runner', async () => {
    const { directory, server, start } = await scene();
    const repository = join(directory, 'scripts');
    mkdirSync(repository);
    writeFileSync(
      join(repository, 'a.sh'),
      'umask; sleep 600 & echo "pid $!"; until [ -e "$GO" ]; do sleep 0.05; done; kill $!',
    );
    server.offer(1, bashJob(1, repository, 'a.sh'));
    const runner = start();
    const pid = await expect
      .poll(() => server.lines(1).join('\n'), { timeout: 30_000 })
      .toMatch(/pid \d+/)
      .then(() => Number(/pid (\d+)/.exec(server.lines(1).join('\n'))?.[1]));
    // What the runner was itself started with is not its own.
    const inherited = new Set(furtherDescriptors(process.pid));
    expect(furtherDescriptors(pid).filter((one) => !inherited.has(one))).toEqual([]);
    const mask = process.umask().toString(8).padStart(4, '0');
    expect(server.lines(1)).toContain(mask);
    // The shells around it hold what they need and nothing of the network.
    const others = familyOf(runner.pid).slice(1).flatMap(furtherDescriptors);
    expect(others.filter((one) => /anon_inode|eventpoll|\/state\/lock/.test(one))).toEqual([]);
    writeFileSync(join(directory, 'go'), '');
    await expect.poll(() => server.status(1), { timeout: 30_000 }).toBe('success');
  });

  it('cannot make the runner open its debugger', async () => {
    const { server, start } = await scene();
    const runner = start();
    await expect.poll(() => server.polls, { timeout: 30_000 }).toBeGreaterThan(0);
    process.kill(runner.pid, 'SIGUSR1');
    const { polls } = server;
    await expect.poll(() => server.polls, { timeout: 30_000 }).toBeGreaterThan(polls);
    expect(runner.output()).not.toContain('Debugger');
    expect(runner.child.exitCode).toBeNull();
  });
});

describe.runIf(canMakeAccounts() && needs('git'))('a task of another user', () => {
  it('can read nothing of the runner, and nothing of other tasks', async () => {
    const account = makeAccount();
    onTestFinished(() => account.remove());
    const { directory, mark, places, server, start, configFile, token } = await scene({
      top: { process: { user: account.name } },
      runner: { max_parallel_tasks: 2 },
    });
    for (const path of [directory, places.home, places.tmp]) chmodSync(path, 0o755);
    const repository = new TestRepository();
    const forbidden = [
      join(directory, 'runner.token'),
      configFile,
      join(places.state, 'jobs', '1', 'output.log'),
      join(places.state, 'jobs', '2', 'job.sealed'),
    ];
    repository.commit({
      'first.sh': 'echo "first is $(id -un)"; until [ -e "$GO" ]; do sleep 0.05; done',
      'second.sh': [
        `for file in ${forbidden.join(' ')} /proc/$RUNNER/environ /proc/$RUNNER/mem; do`,
        '  if head -c 1 "$file" > /dev/null 2>&1; then echo "can read $file"; else echo "cannot read $file"; fi',
        'done',
        `for place in ${places.state} ${places.state}/jobs /proc/$RUNNER/fd; do`,
        '  if ls "$place" > /dev/null 2>&1; then echo "can list $place"; else echo "cannot list $place"; fi',
        'done',
        'echo looked',
      ].join('\n'),
    });
    const git = await startGitHttp({ root: join(repository.bare, '..') });
    const remote = {
      id: 1,
      name: 'r',
      project_id: 1,
      git_url: `${git.origin}/origin.git`,
      git_branch: 'main',
      ssh_key_id: 1,
    };
    server.offer(1, bashJob(1, '', 'first.sh', { repository: remote }));
    const runner = start();
    await expect.poll(() => server.lines(1), { timeout: 30_000 }).toContain(`first is ${account.name}`);
    const env = JSON.stringify({ RUNNER: String(runner.pid) });
    server.offer(
      2,
      bashJob(2, '', 'second.sh', {
        repository: { ...remote, id: 2 },
        environment: { id: 1, name: '', project_id: 1, json: '{}', env },
      }),
    );
    await expect.poll(() => server.lines(2), { timeout: 30_000 }).toContain('looked');
    expect(server.lines(2).filter((line) => line.startsWith('can '))).toEqual([]);
    expect(server.lines(2).filter((line) => line.startsWith('cannot '))).toHaveLength(forbidden.length + 5);
    expect(seenInProcesses(markedWith(mark), { token })).toEqual([]);
    writeFileSync(join(directory, 'go'), '');
    await expect.poll(() => server.status(1), { timeout: 30_000 }).toBe('success');
  });
});
