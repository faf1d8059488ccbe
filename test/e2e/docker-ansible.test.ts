import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ansibleImage, debianImage, ensureImages, needsDocker } from '../support/docker/index.ts';
import { createDockerWorld, dockerSync, expectNothingOnEngine, gitLogin, thingsOf } from '../support/docker-world.ts';
import { startGitHttp } from '../support/git-http.ts';
import { TestRepository } from '../support/git-repository.ts';
import { makeKey, startSshd } from '../support/sshd.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';

/** A runner task runs real Ansible in a container, by way of the built program and the embedded server. */

const secrets = {
  vault: 'vault-pass-7741',
  become: 'become-pass-7742',
  word: 'open-sesame-7743',
  answer: 'survey-answer-7744',
};

const playbook = `
- hosts: web
  gather_facts: false
  vars_files: [vault.yml]
  roles: [greeter]
  tasks:
    - name: Which way did we come?
      ansible.builtin.command: printenv SSH_CONNECTION
      register: way
      changed_when: false
    - name: Leave a file, as somebody else
      become: true
      ansible.builtin.copy:
        content: "{{ greeting }} over {{ 'ssh' if way.stdout else 'nothing' }}"
        dest: "{{ directory }}/greeting"
        mode: '0600'
    - ansible.builtin.debug:
        msg: "the vault says {{ from_vault }}, the group {{ word }}, the user {{ answer }}, the survey {{ colour }}"
    - name: Wait until somebody has looked
      ansible.builtin.wait_for:
        path: "{{ directory }}/looked"
        timeout: 60
`;

function encrypted(text: string): string {
  const directory = tempDir();
  const [file, password] = [join(directory, 'vault.yml'), join(directory, 'password')];
  writeFileSync(file, text);
  writeFileSync(password, secrets.vault);
  execFileSync('ansible-vault', ['encrypt', '--vault-password-file', password, file], { stdio: 'pipe' });
  return readFileSync(file, 'utf8');
}

async function serveRole(): Promise<string> {
  const role = new TestRepository(join(tempDir(), 'role'));
  role.commit({
    'meta/main.yml':
      'galaxy_info: { author: test, description: greets, license: MIT, min_ansible_version: "2.9" }\ndependencies: []\n',
    'tasks/main.yml': '- ansible.builtin.debug:\n    msg: "the role was fetched"\n',
  });
  const { origin } = await startGitHttp({ root: dirname(role.bare) });
  return `${origin}/origin.git`;
}

const tools = ['ansible-vault', 'sshd', 'ssh-keygen'];

describe.runIf(needsDocker() && tools.every(needs))('Ansible in a container', () => {
  beforeAll(() => ensureImages(ansibleImage, debianImage), 600_000);

  it('has its repository, roles, vault, become password, ssh key and variables, and shows none of them', async () => {
    const directory = tempDir();
    const sshd = await startSshd(directory);
    onTestFinished(() => sshd.close());
    const key = makeKey(directory);
    sshd.authorize(key.publicKey);
    const requirements = `roles:\n  - { name: greeter, src: ${await serveRole()}, scm: git }\n`;
    const world = await createDockerWorld({
      files: {
        'site.yml': playbook,
        'vault.yml': encrypted('from_vault: opened\n'),
        'roles/requirements.yml': requirements,
      },
      project: {
        keys: [
          { name: 'hosts', type: 'ssh', login: sshd.user, private_key: key.privateKey },
          { name: 'become', type: 'login_password', login: sshd.user, password: secrets.become },
          { name: 'vault', type: 'login_password', login: '', password: secrets.vault },
        ],
        inventories: [
          {
            name: 'web',
            key: 'hosts',
            become_key: 'become',
            inventory: [
              '[web]',
              `loopback ansible_host=${sshd.host} ansible_port=${sshd.port} ansible_become_method=su`,
              '[web:vars]',
              'ansible_ssh_common_args=-o UserKnownHostsFile=/dev/null',
              'ansible_remote_tmp={{ directory }}/.ansible',
              'ansible_ssh_use_tty=false',
            ].join('\n'),
          },
        ],
        variable_groups: [
          { name: 'all', variables: { greeting: 'Hello' }, secrets: [{ name: 'word', value: secrets.word }] },
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
            vaults: [{ name: '', key: 'vault' }],
            survey_vars: [
              { name: 'colour', type: 'string' },
              { name: 'answer', type: 'secret' },
            ],
          },
        ],
      },
    });
    await world.startServer();
    const runner = world.startRunner();

    const id = await world.api.startTask(1, {
      environment: JSON.stringify({ directory: world.output, colour: 'blue' }),
      secret: JSON.stringify({ answer: secrets.answer }),
    });
    await world.api.waitForLine(id, 'Wait until somebody has looked');
    const seen = inspected(world);
    writeFileSync(join(world.output, 'looked'), '');
    const task = await world.api.waitUntilFinished(id);
    const log = (await world.api.log(id)).join('\n');
    expect({ status: task.status, commit: task.commit_hash, log }).toMatchObject({
      status: 'success',
      commit: world.commit,
    });
    expect(readFileSync(join(world.output, 'greeting'), 'utf8')).toBe('Hello over ssh');
    expect(log).toContain('the role was fetched');
    expect(log).toContain('the vault says opened, the group ***, the user ***, the survey blue');
    expect(log).toMatch(/^loopback +: ok=5 /m);
    expect(sshd.log()).toContain('Accepted publickey');
    await expectNothingOnEngine(world);

    const all = [...Object.values(secrets), gitLogin.password, key.privateKey.split('\n')[1] ?? ''];
    expect(seen.names).toEqual([
      expect.stringMatching(/^semaphore-task-\d+-[0-9a-f]{12}-build$/),
      expect.stringMatching(/^semaphore-task-\d+-[0-9a-f]{12}-helper$/),
    ]);
    for (const text of [seen.inspected, seen.processes, log, runner.output()]) {
      expect(all.filter((secret) => text.includes(secret))).toEqual([]);
    }
  }, 180_000);
});

/** What whoever may look at the engine and at the processes of the machine sees of the task. */
function inspected(world: Parameters<typeof thingsOf>[0]) {
  const { containers } = thingsOf(world);
  return {
    names: [...containers].sort(),
    inspected: dockerSync(['inspect', ...containers]),
    processes: execFileSync('ps', ['-eww', '-o', 'args'], { encoding: 'utf8' }),
  };
}
