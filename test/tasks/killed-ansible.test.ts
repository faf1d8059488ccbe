import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestRepository } from '../support/git-repository.ts';
import { inBatches, killedTask, type KilledTask } from '../support/killed-task/index.ts';
import { makeKey, startSshd, type TestSshd } from '../support/sshd.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';
import { ansible, plain, play } from './ansible-support.ts';
import { configuration, delivered } from './support.ts';

const tools = ['ansible-playbook', 'ansible-galaxy', 'ansible-vault', 'sshd', 'ssh', 'ssh-agent'];

describe.runIf(tools.every(needs))('an Ansible task whose runner is killed', () => {
  let sshd: TestSshd;
  let directory: string;
  let key: { privateKey: string; publicKey: string };
  let role: TestRepository;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'semaphore-killed-ansible-'));
    sshd = await startSshd(directory);
    key = makeKey(directory, { passphrase: 'open sesame' });
    sshd.authorize(key.publicKey);
    role = new TestRepository(join(directory, 'role'));
    role.commit({
      'meta/main.yml':
        'galaxy_info: {author: a, description: d, license: MIT, min_ansible_version: "2.9", platforms: []}\n',
      'tasks/main.yml': '- debug: {msg: role one}\n',
    });
  });
  afterAll(async () => {
    await sshd.close();
    rmSync(directory, { recursive: true, force: true });
  });

  function sealed(text: string, password: string): string {
    const [file, passwordFile] = [join(tempDir(), 'sealed'), join(tempDir(), 'password')];
    writeFileSync(file, text);
    writeFileSync(passwordFile, password);
    execFileSync('ansible-vault', ['encrypt', '--vault-password-file', passwordFile, file], { stdio: 'ignore' });
    return readFileSync(file, 'utf8');
  }

  /**
   * Requirements, a vault, a become password, secret variables, and a host behind ssh with a connection for every command. It
   * waits in the middle for what the test puts into its directory.
   */
  function ansibleTask(): KilledTask & { out: string } {
    const out = tempDir();
    const site = play(
      'raw: echo opened by {{ from_vault }} and {{ secret | length }}',
      `wait_for: {path: ${out}/gate}\ndelegate_to: localhost`,
      `raw: echo run >> ${out}/runs; echo on $(id -un)`,
      'include_role: {name: greeter}',
    );
    const common =
      '-o ControlMaster=no -o ControlPath=none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null';
    const files = {
      'site.yml': site.replace('gather_facts: false', 'gather_facts: false\n  vars_files: [vars.yml]'),
      'vars.yml': sealed('from_vault: the vault\n', 'vault-s3cret'),
      'roles/requirements.yml': `roles:\n  - {src: "git+${role.url}", name: greeter, version: main}\n`,
    };
    const password = (text: string) => ({ type: 'login_password', login_password: { login: '', password: text } });
    const task = killedTask({
      ...delivered({
        ...ansible(files, {
          arguments: '["-v"]',
          vaults: [{ id: 1, project_id: 7, template_id: 33, vault_key_id: 15, name: null, type: 'password' }],
        }),
        inventory: {
          inventory: `target ansible_host=127.0.0.1 ansible_port=${sshd.port} ansible_ssh_common_args="${common}"\n`,
          ssh_key_id: 12,
          become_key_id: 14,
        },
        environment: { secrets: [{ id: 1, type: 'var', name: 'secret', secret: 'hunter2!' }] },
        keys: {
          12: { type: 'ssh', ssh: { login: sshd.user, passphrase: 'open sesame', private_key: key.privateKey } },
          14: password('become-s3cret'),
          15: password('vault-s3cret'),
        },
      }),
      config: configuration,
    });
    return { ...task, out };
  }

  function open({ out }: { out: string }): void {
    writeFileSync(join(out, 'gate'), '');
  }

  function logOf(task: KilledTask & { out: string }): string {
    return plain(task.log())
      .replaceAll(task.out, '<out>')
      .replaceAll(/file:\S+/g, '<url>');
  }

  /** The names of steps that install requirements have the path in them. */
  function stepsOf(task: KilledTask): string[] {
    return task.started().map((name) => name.replace(/-[0-9a-f]{8}$/, ''));
  }

  async function reference() {
    const task = ansibleTask();
    open(task);
    const life = await task.live();
    expect(life).toMatchObject({ outcome: { kind: 'success' }, survivors: 0 });
    expect(logOf(task)).toContain('opened by the vault and 8');
    expect(logOf(task)).toContain('role one');
    return { started: stepsOf(task), log: logOf(task), points: life?.points ?? 0 };
  }

  it('comes to the same end from everywhere, each step once, with the same log', { timeout: 580_000 }, async () => {
    const { log, points, started } = await reference();
    expect(started.filter((one) => one.startsWith('galaxy'))).toHaveLength(1);
    await inBatches(points, 4, async (before) => {
      const task = ansibleTask();
      open(task);
      expect(await task.live({ before })).toBe(undefined);
      expect({ before, ...(await task.live()) }).toMatchObject({ outcome: { kind: 'success' }, survivors: 0 });
      expect(logOf(task)).toBe(log);
      expect(stepsOf(task)).toEqual(started);
      expect(readFileSync(join(task.out, 'runs'), 'utf8')).toBe('run\n');
      expect(task.leftovers()).toEqual([]);
    });
  });

  it('gets its passwords from the next runner, when it has just begun', { timeout: 120_000 }, async () => {
    const { log } = await reference();
    for (const during of ['galaxy', 'run']) {
      const task = ansibleTask();
      open(task);
      expect(await task.live({ during })).toBe(undefined);
      await delay(1500);
      expect(await task.live()).toMatchObject({ outcome: { kind: 'success' }, survivors: 0 });
      expect(logOf(task)).toBe(log);
      expect(task.leftovers()).toEqual([]);
    }
  });

  it('opens connections with its key while there is no runner', { timeout: 120_000 }, async () => {
    const { log } = await reference();
    const task = ansibleTask();
    const end = Date.now() + 60_000;
    const first = task.live({ during: 'run', when: join(task.out, 'kill') });
    while (!logSoFar(task).includes('opened by') && Date.now() < end) await delay(50);
    writeFileSync(join(task.out, 'kill'), '');
    expect(await first).toBe(undefined);
    open(task);
    await task.ended('run');
    expect(readFileSync(join(task.out, 'runs'), 'utf8')).toBe('run\n');
    expect(await task.live()).toMatchObject({ outcome: { kind: 'success' }, survivors: 0 });
    expect(logOf(task)).toBe(log);
  });
});

function logSoFar(task: KilledTask): string {
  try {
    return task.log().join('\n');
  } catch {
    return '';
  }
}
