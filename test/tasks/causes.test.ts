import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { findCause, knownCauses } from '../../src/tasks/causes.ts';
import { pathWithout } from '../support/path-without.ts';
import { startSshd } from '../support/sshd.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';

/** What a real tool prints, both streams together. */
function output(directory: string, command: string, args: readonly string[], env: Record<string, string> = {}): string {
  const run = spawnSync(command, args, {
    cwd: directory,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', HOME: directory, ANSIBLE_FORCE_COLOR: 'True', LANG: 'C.UTF-8', ...env },
  });
  expect(run.status).not.toBe(0);
  return run.stdout + run.stderr;
}

function files(entries: Readonly<Record<string, string>>): string {
  const directory = tempDir();
  for (const [name, text] of Object.entries(entries)) writeFileSync(join(directory, name), text);
  return directory;
}

describe('causes that real shells and Pythons tell of', () => {
  it.each([
    [
      'a command that is not installed',
      'bash',
      'a.sh',
      'no-such-command --now\n',
      'the script calls no-such-command, which is not installed',
    ],
    ['a syntax error', 'bash', 'a.sh', 'if true; then\n', 'the script has a syntax error'],
    ['Windows line ends', 'bash', 'a.sh', 'set -e\r\nfoo\r\n', 'the script has Windows line ends'],
    [
      'a missing Python module',
      'python3',
      'a.py',
      'import no_such_module\n',
      'the Python module no_such_module is not installed',
    ],
    ['a Python syntax error', 'python3', 'a.py', 'def f(:\n', /^the script is not valid Python \(/],
    ['a full disk', 'bash', 'a.sh', 'set -e\necho x > /dev/full\n', 'a disk is full'],
    ['too little memory', 'python3', 'a.py', 'x = b"x" * 2**60\n', 'there was not enough memory'],
  ])('%s', (_name, tool, file, text, cause) => {
    const found = findCause(tool, output(files({ [file]: text }), tool, [file]));
    expect(found?.cause).toEqual(typeof cause === 'string' ? cause : expect.stringMatching(cause));
    expect(found?.hint).not.toBe('');
  });

  it('a script that is not there', () => {
    const directory = tempDir();
    for (const tool of ['bash', 'python3']) {
      expect(findCause(tool, output(directory, tool, ['nowhere.x']))?.cause).toBe(
        'there is no such script in the repository',
      );
    }
  });

  it('an interpreter that is not there', () => {
    const directory = files({ 'a.sh': '#!/no/such/python3\n' });
    expect(findCause('bash', output(directory, 'bash', ['-c', 'chmod +x a.sh; ./a.sh']))?.cause).toMatch(/interpreter/);
  });
});

/** A server that wants a login, whatever it is asked for. */
const asker = `
  const server = require('node:http').createServer((_, response) => {
    response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="test"' }).end();
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;

describe.skipIf(!needs('ansible-playbook'))('causes that the real Ansible tells of', { timeout: 60_000 }, () => {
  const play = (tasks: string, head = ''): string => `- hosts: all\n  gather_facts: false\n${head}  tasks:\n${tasks}`;
  const cause = (
    entries: Readonly<Record<string, string>>,
    args: readonly string[] = ['-i', 'localhost,', '-c', 'local'],
  ) => findCause('ansible-playbook', output(files(entries), 'ansible-playbook', [...args, 'site.yml']))?.cause;

  it.each([
    ['a missing module', play('    - no_such_module:\n'), 'Ansible does not know the module no_such_module'],
    ['a missing role', '- hosts: all\n  roles: [no_such_role]\n', 'the role no_such_role is not there'],
    ['broken YAML', '- hosts: all\n  tasks:\n - debug: {\n', 'a file is not valid YAML'],
    ['an undefined variable', play('    - debug: msg="{{ nowhere }}"\n'), 'the variable nowhere is not defined'],
  ])('%s', (_name, playbook, expected) => {
    expect(cause({ 'site.yml': playbook })).toBe(expected);
  });

  it('a missing playbook', () => {
    expect(cause({})).toBe('there is no playbook site.yml');
  });

  it('a limit that matches nothing', () => {
    const args = ['-i', 'localhost,', '-c', 'local', '--limit', 'nobody'];
    expect(cause({ 'site.yml': play('    - ping:\n') }, args)).toBe('the limit matches no host of the inventory');
  });

  it('a host that refuses the connection, and a name that is not known', () => {
    const site = play('    - ping:\n');
    const ssh = ['-e', 'ansible_ssh_common_args="-o StrictHostKeyChecking=no -o ConnectTimeout=3"'];
    expect(cause({ 'site.yml': site }, ['-i', '127.0.0.1,', '-e', 'ansible_port=1', ...ssh])).toBe(
      'a host refused the connection',
    );
    expect(cause({ 'site.yml': site }, ['-i', 'no-such-host.invalid,', ...ssh])).toBe(
      'the name no-such-host.invalid is not known',
    );
  });

  it('a host that never answers', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void silent.close());
    const port = `ansible_port=${(silent.address() as AddressInfo).port}`;
    expect(cause({ 'site.yml': play('    - ping:\n') }, ['-i', '127.0.0.1,', '-e', port, '-T', '1'])).toBe(
      'a host cannot be reached',
    );
  });

  it.runIf(needs('sshd') && needs('ssh'))('a host whose key is not the expected one', async () => {
    const sshd = await startSshd(tempDir());
    onTestFinished(() => sshd.close());
    const ssh = 'ansible_ssh_common_args="-o StrictHostKeyChecking=yes -o UserKnownHostsFile=/dev/null"';
    const args = ['-i', '127.0.0.1,', '-e', `ansible_port=${sshd.port}`, '-e', ssh];
    expect(cause({ 'site.yml': play('    - ping:\n') }, args)).toBe("a host's SSH key is not the expected one");
  });

  it('a password without sshpass, and a Python that is not there', () => {
    const directory = files({ 'site.yml': play('    - ping:\n') });
    const password = ['-i', '127.0.0.1,', '-e', 'ansible_password=x', 'site.yml'];
    const bare = output(directory, 'ansible-playbook', password, { PATH: pathWithout('sshpass') });
    expect(findCause('ansible-playbook', bare)?.cause).toBe(
      'logging in with a password needs sshpass, which is not installed',
    );
    const python = ['-i', 'localhost,', '-c', 'local', '-e', 'ansible_python_interpreter=/no/such/python3', 'site.yml'];
    expect(findCause('ansible-playbook', output(directory, 'ansible-playbook', python))?.cause).toBe(
      'the interpreter that a script asks for is not there',
    );
  });

  it('roles and collections whose server is not there, or asks who we are', async () => {
    const nobody = 'http://127.0.0.1:1';
    const galaxy = (text: string, kind: string, ...more: string[]) =>
      findCause(
        'ansible-galaxy',
        output(files({ 'r.yml': text }), 'ansible-galaxy', [kind, 'install', '-r', 'r.yml', ...more], {
          GIT_TERMINAL_PROMPT: '0',
          GIT_SSH_COMMAND: 'ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null',
        }),
      )?.cause;
    const unreachable = 'a role or collection cannot be downloaded';
    expect(galaxy('collections: [community.none]\n', 'collection', '--server', nobody)).toBe(unreachable);
    expect(galaxy('roles: [some.role]\n', 'role', '--server', nobody)).toBe(unreachable);
    expect(galaxy(`roles: [{src: "git+${nobody}/x.git", name: x}]\n`, 'role')).toBe(unreachable);
    const refused = 'the server of a role or collection refused the login';
    // In a process of its own: the tool is waited for without our event loop.
    const server = spawn(process.execPath, ['-e', asker], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void server.kill('SIGKILL'));
    const [port] = (await once(server.stdout, 'data')) as [Buffer];
    expect(galaxy(`roles: [{src: "git+http://127.0.0.1:${port.toString().trim()}/x.git", name: x}]\n`, 'role')).toBe(
      refused,
    );
    if (!needs('sshd') || !needs('ssh')) return;
    const sshd = await startSshd(tempDir());
    onTestFinished(() => sshd.close());
    const ssh = `git+ssh://${sshd.user}@127.0.0.1:${sshd.port}/x.git`;
    expect(galaxy(`roles: [{src: "${ssh}", name: x}]\n`, 'role')).toBe(refused);
  });

  it('vaults: a wrong password, and none', () => {
    const directory = files({ right: 'right\n', wrong: 'wrong\n', 'vars.yml': 'secret: 1\n' });
    spawnSync('ansible-vault', ['encrypt', '--vault-password-file', 'right', 'vars.yml'], { cwd: directory });
    writeFileSync(join(directory, 'site.yml'), play('    - ping:\n', '  vars_files: [vars.yml]\n'));
    const base = ['-i', 'localhost,', '-c', 'local', 'site.yml'];
    const wrong = output(directory, 'ansible-playbook', ['--vault-id', 'prod@wrong', ...base]);
    expect(findCause('ansible-playbook', wrong)?.cause).toBe('a vault password is wrong');
    expect(findCause('ansible-playbook', output(directory, 'ansible-playbook', base))?.cause).toBe(
      'a file is encrypted with Ansible Vault and the template has no vault password',
    );
  });
});

describe('causes that no tool here can be made to tell of', () => {
  it.each([
    ['bash', 'a.sh: line 1: /srv/x: Read-only file system\n', 'a file system is read-only'],
    [
      'ansible-playbook',
      'fatal: [web]: FAILED! => {"msg": "Missing sudo password"}\n',
      'becoming another user failed for want of the right password',
    ],
    [
      'ansible-playbook',
      'ansible-playbook: error: unrecognized arguments: --become-password-file /p/b\n',
      'this Ansible is too old to be given passwords safely',
    ],
    [
      'terraform',
      '│ Error: Saving a generated plan is currently not supported\n',
      'the backend runs plans elsewhere and cannot save them',
    ],
  ])('%s: %s', (tool, text, cause) => {
    expect(findCause(tool, text)?.cause).toBe(cause);
  });
});

describe('the table of causes', () => {
  it('names each cause once, with a hint that is a sentence', () => {
    const ids = knownCauses.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { hint } of knownCauses) expect(hint).toMatch(/^[A-Z`].*\.$/);
  });

  it('says nothing of an output it does not know', () => {
    expect(findCause('bash', 'all is well\n')).toBeUndefined();
  });
});
