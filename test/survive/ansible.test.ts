import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createWorld } from '../support/e2e/world.ts';
import { nothing } from '../support/kill-harness/aftermath.ts';
import { pointsOf, randomFrom, sample } from '../support/kill-harness/points.ts';
import { makeTrials, type Trial } from '../support/kill-harness/trials.ts';
import { makeKey, startSshd } from '../support/sshd.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';
import { secretGroup, secrets, tryAll } from './tasks.ts';

/**
 * A playbook on a host that is reached by ssh, with a vault and a become password, which Ansible reads from pipes when it needs
 * them: also when the runner that made the pipes was killed before.
 */

const passwords = { vault: 'vault-pass-7731', become: 'become-pass-7732' };

const playbook = `
- hosts: all
  gather_facts: false
  vars:
    marks: "{{ lookup('env', 'OUTPUT_DIRECTORY') }}/{{ lookup('env', 'SEMAPHORE_TASK_ID') }}.marks"
  vars_files: [vault.yml]
  tasks:
    - name: Begin
      ansible.builtin.raw: echo began >> {{ marks }}
    - name: Say what is known
      ansible.builtin.debug:
        msg: "the vault says {{ from_vault }}, the word is {{ lookup('env', 'WORD') }}"
    - name: Take a while
      ansible.builtin.raw: sleep 0.5
    - name: Become somebody
      become: true
      ansible.builtin.raw: echo became >> {{ marks }}
    - name: End
      ansible.builtin.raw: echo ended >> {{ marks }}
`;

function encrypted(text: string): string {
  const directory = tempDir();
  const [file, password] = [join(directory, 'vault.yml'), join(directory, 'password')];
  writeFileSync(file, text);
  writeFileSync(password, passwords.vault);
  execFileSync('ansible-vault', ['encrypt', '--vault-password-file', password, file], { stdio: 'pipe' });
  return readFileSync(file, 'utf8');
}

const tools = ['ansible-playbook', 'ansible-vault', 'sshd', 'ssh-keygen'];

describe.runIf(tools.every(needs))('a runner that is killed with a playbook', () => {
  it('before its vault and become passwords were read, or in the middle of the play, brings it to the same end', async () => {
    const directory = tempDir();
    const sshd = await startSshd(directory);
    onTestFinished(() => sshd.close());
    const key = makeKey(directory);
    sshd.authorize(key.publicKey);
    const host = `target ansible_host=${sshd.host} ansible_port=${sshd.port} ansible_become_method=su ansible_ssh_use_tty=false`;
    const files = { 'site.yml': playbook, 'vault.yml': encrypted('from_vault: opened\n') };
    const project = {
      keys: [
        { name: 'hosts', type: 'ssh', login: sshd.user, private_key: key.privateKey },
        { name: 'become', type: 'login_password', login: sshd.user, password: passwords.become },
        { name: 'vault', type: 'login_password', login: '', password: passwords.vault },
      ],
      inventories: [
        {
          name: 'hosts',
          key: 'hosts',
          become_key: 'become',
          inventory: `${host}\n[all:vars]\nansible_ssh_common_args=-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR\n`,
        },
      ],
      variable_groups: [secretGroup],
      templates: [
        {
          id: 1,
          name: 'Play',
          app: 'ansible',
          playbook: 'site.yml',
          repository: 'main',
          inventory: 'hosts',
          variable_groups: ['secret'],
          vaults: [{ name: '', key: 'vault' }],
          allow_parallel_tasks: true,
        },
      ],
    };
    const { complaints, reference } = await makeTrials({
      makeWorld: () => createWorld({ files, project }),
      taskIn: (world) => ({
        world,
        template: 1,
        secrets: [...secrets, ...Object.values(passwords), key.privateKey.split('\n')[1] ?? ''],
      }),
      lanes: 2,
      choose: (trace) => {
        const chosen: Trial[] = [
          { ends: [{ label: 'spawn sh ansible-playbook', nth: 1, moment: 'after' }], mustReach: true },
          { ends: [{ label: 'event step-started run', nth: 1, moment: 'after' }], mustReach: true },
          { ends: [{ line: 'Begin' }], mustReach: true },
          {
            ends: [
              { label: 'event step-started run', nth: 1, moment: 'after' },
              { line: 'Take a while' },
              { label: 'event status success', nth: 1, moment: 'before' },
            ],
            mustReach: true,
          },
        ];
        const all = pointsOf(trace).map((point): Trial => ({ ends: [point] }));
        return [...chosen, ...(tryAll ? all : sample(all, 1, randomFrom(3)))];
      },
    });
    expect(reference).toMatchObject({ status: 'success', marks: ['began', 'became', 'ended'], left: nothing });
    expect(reference.log.join('\n')).toMatch(/the vault says opened, the word is \*+/);
    expect(complaints).toEqual([]);
  }, 900_000);
});
