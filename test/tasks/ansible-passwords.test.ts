import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canMakeAccounts, makeAccount, type TestAccount } from '../support/accounts.ts';
import { startSshd, type TestSshd } from '../support/sshd.ts';
import { needs } from '../support/tools.ts';
import { ansible, plain, play, reasonIn } from './ansible-support.ts';
import { taskRoom, type JobParts } from './support.ts';

const tools = ['ansible-playbook', 'sshd', 'ssh', 'sshpass', 'su', 'useradd', 'userdel', 'chpasswd'];

describe.runIf(canMakeAccounts() && tools.every(needs))('Ansible with passwords, on a real sshd', () => {
  /** In the order of making; all of it goes, also when not all could be made. */
  const made: (() => Promise<void> | void)[] = [];
  let sshd: TestSshd;
  let login: TestAccount;
  let other: TestAccount;

  beforeAll(async () => {
    const directory = mkdtempSync(join(tmpdir(), 'semaphore-ansible-password-'));
    made.push(() => rmSync(directory, { recursive: true, force: true }));
    login = makeAccount();
    made.push(() => login.remove());
    other = makeAccount();
    made.push(() => other.remove());
    sshd = await startSshd(directory, { passwords: true });
    made.push(() => sshd.close());
  });
  afterAll(async () => {
    for (const remove of made.toReversed()) await remove();
  });

  function key(account: TestAccount, password = account.password) {
    return { type: 'login_password', login_password: { login: account.name, password } };
  }

  /** Who one is there, by a command that needs neither Python nor files. */
  function job(keys: JobParts['keys'], become: boolean): JobParts {
    const who = play('raw: id -un', 'debug: {msg: "{{ who.stdout_lines | last }}"}').replace(
      'id -un',
      'id -un\n      register: who',
    );
    return {
      ...ansible({ 'site.yml': become ? who.replace('  tasks:', '  become: true\n  tasks:') : who }),
      inventory: {
        inventory: `target ansible_host=127.0.0.1 ansible_port=${sshd.port} ansible_become_method=su\n`,
        ssh_key_id: 13,
        ...(become ? { become_key_id: 14 } : {}),
      },
      keys: keys ?? {},
    };
  }

  it('logs in with the password of the inventory key', async () => {
    const { outcome, lines } = await taskRoom().run(job({ 13: key(login) }, false));
    expect(plain(lines)).toContain(`"msg": "${login.name}"`);
    expect(outcome).toEqual({ kind: 'success' });
    expect(sshd.log()).toContain(`Accepted password for ${login.name}`);
    expect(lines.join('\n')).not.toContain(login.password);
  });

  it('becomes another user with the password of the become key', async () => {
    const { outcome, lines, task } = await taskRoom().run(job({ 13: key(login), 14: key(other) }, true));
    expect(plain(lines)).toContain(`"msg": "${other.name}"`);
    expect(outcome).toEqual({ kind: 'success' });
    expect(task.secrets).toEqual(expect.arrayContaining([login.password, other.password]));
    const seen = JSON.stringify(task.steps.map(({ args, env }) => ({ args, env }))) + lines.join('\n');
    expect(seen).not.toContain(login.password);
    expect(seen).not.toContain(other.password);
  });

  it('says that a login password is wrong', async () => {
    const { outcome } = await taskRoom().run(job({ 13: key(login, 'not-the-password') }, false));
    expect(reasonIn(outcome)).toMatch(/code 4 \(one or more hosts were unreachable\).*a host refused the login/);
  });

  it('says that a become password is wrong', async () => {
    const { outcome } = await taskRoom().run(job({ 13: key(login), 14: key(other, 'not-the-password') }, true));
    expect(reasonIn(outcome)).toMatch(
      /^Task failed in run: ansible-playbook exited with code \d.*becoming another user failed/,
    );
  });
});
