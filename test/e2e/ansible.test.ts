import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { processesWith } from '../support/e2e/survivors.ts';
import { createWorld } from '../support/e2e/world.ts';
import { pathWithout } from '../support/path-without.ts';
import { makeKey, startSshd } from '../support/sshd.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';

/** Real playbooks by the real ansible-playbook. */

const playbook = `
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ greeting }} on {{ inventory_hostname }}"
`;

describe('a playbook', () => {
  const overSsh = needs('ansible-playbook') && needs('sshd') && needs('ssh-keygen');

  /** A host that is this machine, reached through a real sshd on loopback with the key `key` of the server file. */
  async function worldWithSshd(login: { privateKey: string }, sshd: { host: string; port: number; user: string }) {
    return createWorld({
      files: {
        'site.yml': `
- hosts: web
  gather_facts: false
  tasks:
    - name: Which way did we come?
      ansible.builtin.command: printenv SSH_CONNECTION
      register: way
      changed_when: false
    - name: Leave a file
      ansible.builtin.copy:
        content: "{{ greeting }} over {{ 'ssh' if way.stdout else 'nothing' }}"
        dest: "{{ directory }}/greeting"
        mode: '0600'
    - ansible.builtin.debug:
        msg: "secret is {{ password }}"
`,
      },
      project: {
        keys: [{ name: 'hosts', type: 'ssh', login: sshd.user, private_key: login.privateKey }],
        inventories: [
          {
            name: 'web',
            key: 'hosts',
            inventory: [
              '[web]',
              `loopback ansible_host=${sshd.host} ansible_port=${sshd.port}`,
              '[web:vars]',
              'ansible_ssh_common_args=-o UserKnownHostsFile=/dev/null',
              'ansible_remote_tmp={{ directory }}/.ansible',
              // An sshd that is not root's cannot give a terminal everywhere.
              'ansible_ssh_use_tty=false',
            ].join('\n'),
          },
        ],
        variable_groups: [
          {
            name: 'all',
            variables: { greeting: 'Hello' },
            secrets: [{ name: 'password', value: 'correct horse battery' }],
          },
        ],
        templates: [
          {
            id: 1,
            name: 'Greet',
            app: 'ansible',
            playbook: 'site.yml',
            repository: 'main',
            inventory: 'web',
            variable_groups: ['all'],
          },
        ],
      },
    });
  }

  it.runIf(overSsh)('over ssh changes the host it names, and the log comes back without the secrets', async () => {
    const directory = tempDir();
    const sshd = await startSshd(directory);
    onTestFinished(() => sshd.close());
    const key = makeKey(directory);
    sshd.authorize(key.publicKey);
    const world = await worldWithSshd(key, sshd);
    await world.startServer();
    world.startRunner();

    const id = await world.api.startTask(1, { environment: JSON.stringify({ directory: world.output }) });
    const task = await world.api.waitUntilFinished(id);
    const log = await world.api.log(id);
    expect({ status: task.status, commit: task.commit_hash, log }).toMatchObject({
      status: 'success',
      commit: world.commit,
    });
    expect(readFileSync(join(world.output, 'greeting'), 'utf8')).toBe('Hello over ssh');
    expect(log.join('\n')).toMatch(/^loopback +: ok=3 +changed=1 /m);
    expect(log.join('\n')).toContain('secret is ***');
    expect(log.join('\n')).not.toContain('correct horse');
    expect(sshd.log()).toContain('Accepted publickey');
    // Ansible leaves an ssh connection open for a minute; it ends with the task.
    await expect.poll(() => processesWith(world.mark), { timeout: 5_000 }).toEqual([]);
  });

  it.runIf(overSsh)('whose host refuses the key is an error, and the log says why', async () => {
    const directory = tempDir();
    const sshd = await startSshd(directory);
    onTestFinished(() => sshd.close());
    const world = await worldWithSshd(makeKey(directory), sshd);
    await world.startServer();
    world.startRunner();
    const id = await world.api.startTask(1, { environment: JSON.stringify({ directory: world.output }) });
    expect((await world.api.waitUntilFinished(id)).status).toBe('error');
    expect((await world.api.log(id)).join('\n')).toMatch(/UNREACHABLE[\s\S]*Permission denied/);
  });

  it('without ansible-playbook on the machine is an error that says what to install', async () => {
    const world = await createWorld({
      files: { 'site.yml': playbook },
      project: {
        inventories: [{ name: 'local', inventory: 'here ansible_connection=local\n' }],
        templates: [
          { id: 1, name: 'Greet', app: 'ansible', playbook: 'site.yml', repository: 'main', inventory: 'local' },
        ],
      },
      runnerPath: pathWithout('ansible-playbook', 'ansible', 'ansible-galaxy'),
    });
    await world.startServer();
    world.startRunner();
    const id = await world.api.startTask(1);
    expect((await world.api.waitUntilFinished(id)).status).toBe('error');
    expect((await world.api.log(id)).at(-1)).toMatch(/ansible-playbook.*(not|install)/i);
  });

  it.runIf(needs('ansible-playbook'))('of a host that is not in the inventory limit is not run', async () => {
    const world = await createWorld({
      files: { 'site.yml': playbook },
      project: {
        inventories: [{ name: 'two', inventory: 'a ansible_connection=local\nb ansible_connection=local\n' }],
        variable_groups: [{ name: 'words', variables: { greeting: 'Hello' } }],
        templates: [
          {
            id: 1,
            name: 'Greet',
            app: 'ansible',
            playbook: 'site.yml',
            repository: 'main',
            inventory: 'two',
            variable_groups: ['words'],
            task_params: { allow_override_limit: true },
          },
        ],
      },
    });
    await world.startServer();
    world.startRunner();
    const id = await world.api.startTask(1, { params: { limit: ['b'] } });
    expect((await world.api.waitUntilFinished(id)).status).toBe('success');
    const log = (await world.api.log(id)).join('\n');
    expect(log).toContain('Hello on b');
    expect(log).not.toContain('Hello on a');
    expect(log).toMatch(/^b +: ok=1 /m);
  });
});
