import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findCause, knownCauses } from '../../src/tasks/causes.ts';
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
