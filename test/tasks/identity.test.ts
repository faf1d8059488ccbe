import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { checkIdentity } from '../../src/executors/index.ts';
import { TestRepository } from '../support/git-repository.ts';
import { makeKey } from '../support/sshd.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';
import { configuration, taskRoom, type JobParts } from './support.ts';

const isRoot = userInfo().uid === 0;
const own = { user: undefined, uid: undefined, gid: undefined, chroot: undefined, noNewPrivs: false };
const path = process.env['PATH'] ?? '';

/** A repository that another user may read, and the parts of a job that runs its script. */
function readable(files: Record<string, string>, reader = 'nobody'): JobParts {
  const repository = new TestRepository();
  repository.commit(files);
  const directory = join(repository.bare, '..');
  execFileSync('chown', ['-R', reader, directory]);
  return { template: { app: 'bash', playbook: 'run.sh' }, repository: { git_url: repository.url } };
}

function openRoom() {
  const room = taskRoom();
  chmodSync(room.root, 0o711);
  return room;
}

describe.runIf(isRoot)('a task that runs as another user', () => {
  it('has its ids, its groups and a home, and can read neither token nor state of the runner', async () => {
    const room = openRoom();
    const secrets = tempDir();
    chmodSync(secrets, 0o755);
    const token = join(secrets, 'runner.token');
    writeFileSync(token, 'the-token\n', { mode: 0o600 });
    const state = join(room.root, '.runner-0123', 'jobs');
    mkdirSync(state, { recursive: true, mode: 0o700 });
    const parts = readable({
      'run.sh': [
        'id -un; id -Gn; echo "home: $HOME"; touch "$HOME/mine" && echo at home',
        `cat ${token} 2>&1; ls ${state} 2>&1`,
        // What the runner itself has open or in its environment is out of reach too, and so is the log of the task.
        `cat /proc/${process.pid}/environ 2>&1; ls /proc/${process.pid}/fd 2>&1`,
        'for p in /proc/[0-9]*; do cat $p/fd/1 2>/dev/null </dev/null & done; sleep 0.2; kill $(jobs -p) 2>/dev/null; true',
      ].join('\n'),
    });
    const { outcome, lines } = await room.run(parts, { config: { process: { ...own, user: 'nobody' } } });
    expect(outcome).toEqual({ kind: 'success' });
    const text = lines.join('\n');
    expect(text).toContain(`nobody\nnogroup\nhome: ${room.project}\nat home`);
    expect(text.match(/Permission denied/g)?.length).toBeGreaterThanOrEqual(4);
    expect(text).not.toContain('the-token');
  });

  it('is in the groups of that user', async () => {
    const group = execFileSync('id', ['-Gn', '--', 'daemon'], { encoding: 'utf8' }).trim();
    const parts = readable({ 'run.sh': 'id -un; id -Gn' }, 'daemon');
    const { lines } = await openRoom().run(parts, { config: { process: { ...own, user: 'daemon' } } });
    expect(lines.slice(-2)).toEqual(['daemon', group]);
  });

  it('has no other groups where ids alone are given', async () => {
    const parts = readable({ 'run.sh': 'id -u; id -g; id -G' }, '4242');
    const config = { process: { ...own, uid: 4242, gid: 4343 } };
    const { lines } = await openRoom().run(parts, { config });
    expect(lines.slice(-3)).toEqual(['4242', '4343', '4343']);
  });

  it.runIf(needs('ansible-playbook'))(
    'can use what is handed over: keys, inventory, variables, passwords',
    async () => {
      const parts = readable({
        'site.yml': [
          '- hosts: all',
          '  gather_facts: false',
          '  tasks:',
          '    - command: whoami',
          '      register: who',
          '    - debug: {msg: "{{ who.stdout }} has {{ secret | length }}"}',
          '    - command: ssh-add -l',
        ].join('\n'),
      });
      const { privateKey } = makeKey(tempDir());
      const tmp = tempDir();
      execFileSync('chown', ['nobody', tmp]);
      const { outcome, lines } = await openRoom().run(
        {
          ...parts,
          template: { app: 'ansible', playbook: 'site.yml' },
          // Ansible asks the system for the home of that user, which has none.
          inventory: {
            ssh_key_id: 12,
            inventory: `localhost ansible_connection=local ansible_remote_tmp=${tmp} ansible_python_interpreter=/usr/bin/python3\n`,
          },
          environment: { secrets: [{ id: 1, type: 'var', name: 'secret', secret: 'hunter2!' }] },
          keys: { 12: { type: 'ssh', ssh: { login: '', passphrase: '', private_key: privateKey } } },
        },
        { config: { process: { ...own, user: 'nobody' } } },
      );
      expect(lines.join('\n')).toContain('nobody has 8');
      expect(outcome).toEqual({ kind: 'success' });
    },
  );
});

describe.runIf(needs('setpriv'))('no_new_privs', () => {
  const script = { 'run.sh': 'grep NoNewPrivs /proc/self/status; id -u' };

  it('holds for every process of a task, git included', async () => {
    const repository = new TestRepository();
    repository.commit(script);
    const parts = { template: { app: 'bash', playbook: 'run.sh' }, repository: { git_url: repository.url } };
    const { outcome, lines, task } = await taskRoom().run(parts, { config: { process: { ...own, noNewPrivs: true } } });
    expect(outcome).toEqual({ kind: 'success' });
    expect(lines.slice(-2)).toEqual(['NoNewPrivs:\t1', String(userInfo().uid)]);
    expect(task.steps.length).toBeGreaterThan(3);
    expect(task.steps.every((step) => step.noNewPrivs)).toBe(true);
  });

  it.runIf(isRoot)('goes together with another user, who gets no more by a set-uid program', async () => {
    const parts = readable({
      'run.sh': 'grep NoNewPrivs /proc/self/status; "$SUID" -u; /usr/bin/id -u',
    });
    const room = openRoom();
    const tool = join(room.root, 'id');
    execFileSync('cp', ['/usr/bin/id', tool]);
    chmodSync(tool, 0o4755);
    const run = async (noNewPrivs: boolean) =>
      await room.run(
        { ...parts, environment: { env: JSON.stringify({ SUID: tool }) } },
        { config: { process: { ...own, user: 'nobody', noNewPrivs } } },
      );
    expect(statSync(tool).mode & 0o4000).toBe(0o4000);
    expect((await run(true)).lines.slice(-3)).toEqual(['NoNewPrivs:\t1', '65534', '65534']);
    expect((await run(false)).lines.slice(-3)).toEqual(['NoNewPrivs:\t0', '0', '65534']);
  });
});

describe('the check at the start of a runner', () => {
  const check = (tmpPath: string, more: Partial<typeof own> | { user: string }): Promise<void> =>
    checkIdentity({ ...configuration(tmpPath), process: { ...own, ...more } }, path);

  it('has nothing to say where nothing is asked for, or our own user', async () => {
    await check('/nowhere', {});
    await check('/nowhere', { user: userInfo().username });
  });

  it('refuses a user that is not there, and a chroot', async () => {
    await expect(check('/nowhere', { user: 'no-such-user' })).rejects.toThrow('there is no user "no-such-user"');
    await expect(checkIdentity({ tmpPath: '/nowhere', process: { ...own, chroot: '/jail' } }, path)).rejects.toThrow(
      'process.chroot',
    );
  });

  it.runIf(isRoot)(
    'makes the work root so that the user can pass, whatever the umask, and tells where it cannot',
    async () => {
      const outer = tempDir();
      chmodSync(outer, 0o711);
      const before = process.umask(0o077);
      try {
        await check(join(outer, 'a', 'b'), { user: 'nobody' });
      } finally {
        process.umask(before);
      }
      expect(statSync(join(outer, 'a', 'b')).mode & 0o777).toBe(0o711);
      chmodSync(join(outer, 'a'), 0o700);
      await expect(check(join(outer, 'a', 'b'), { user: 'nobody' })).rejects.toThrow(
        `user 65534, as which tasks are to run, cannot enter ${join(outer, 'a')}`,
      );
    },
  );

  it.runIf(isRoot)('refuses another user where the runner itself is not root', () => {
    // A process of its own, because a process that has given up its rights does not get them back.
    const script = `process.setgid(65534); process.setuid(65534); ${checkScript()}`;
    expect(() => execFileSync(process.execPath, ['-e', script], { stdio: 'pipe' })).toThrow('only root may start');
  });
});

function checkScript(): string {
  const program = join(tempDir(), 'check.cjs');
  chmodSync(join(program, '..'), 0o755);
  const entry = join(import.meta.dirname, '..', '..', 'src', 'executors', 'local-place', 'identity.ts');
  buildSync({
    entryPoints: [entry],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    external: ['ssh2', 'cron-parser'],
  });
  chmodSync(program, 0o644);
  const config = JSON.stringify({ tmpPath: '/nowhere', process: { user: 'daemon', noNewPrivs: false } });
  return `require(${JSON.stringify(program)}).checkIdentity(${config}, process.env.PATH).catch((e) => { console.error(e.message); process.exit(1); });`;
}
