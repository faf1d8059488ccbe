import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TestRepository } from '../support/git-repository.ts';
import { makeKey } from '../support/sshd.ts';
import { tempDir } from '../support/temp-dir.ts';
import { testTaskHost } from '../support/task-host.ts';
import { needs } from '../support/tools.ts';
import { taskRoom, type JobParts } from './support.ts';

const bin = join(import.meta.dirname, '..', 'fixtures', 'bin');

/** A repository with these files and the parts of a job that runs the first of them. */
function scripted(files: Record<string, string>, template: Record<string, unknown> = {}): JobParts & { hash: string } {
  const repository = new TestRepository();
  const hash = repository.commit(files, 'Scripts');
  const [playbook = ''] = Object.keys(files);
  return { hash, template: { app: 'bash', playbook, ...template }, repository: { git_url: repository.url } };
}

function reasonIn(outcome: unknown): string {
  return typeof outcome === 'object' && outcome !== null && 'reason' in outcome ? String(outcome.reason) : '';
}

describe('a bash task', () => {
  it('runs from its repository to its result, with the fixed lines in order', async () => {
    const room = taskRoom();
    const { hash, ...parts } = scripted({
      'scripts/run.sh': 'echo "here: $(pwd -P) $*"; cat scripts/data',
      'scripts/data': 'content\n',
    });
    const { outcome, lines, task } = await room.run(parts);
    expect(outcome).toEqual({ kind: 'success' });
    const checkout = join(
      room.project,
      readdirSync(room.project).find((name) => name.startsWith('repository_3_template_33_main_')) ?? '',
    );
    expect(lines).toEqual([
      'Preparing: 4711',
      `Cloning Repository ${String(parts.repository?.['git_url'])}`,
      'Get current commit hash',
      'Get current commit message',
      `here: ${checkout} `,
      'content',
    ]);
    expect(task.commits).toEqual([{ hash, message: 'Scripts' }]);
    expect(statSync(room.project).mode & 0o777).toBe(0o700);
    expect(existsSync(join(room.project, 'task_4711'))).toBe(false);
  });

  it('hands over arguments, secrets and environment', async () => {
    const script = 'for a in "$@"; do echo "arg: $a"; done; env | sort';
    const parts = scripted(
      { 'run.sh': script },
      {
        arguments: '["--template arg"]',
        allow_override_args_in_task: true,
        survey_vars: [{ name: 'MODE', title: 'Mode', target: 'env' }],
      },
    );
    const { outcome, lines, task } = await taskRoom().run(
      {
        ...parts,
        job: { jwt: 'eyJ.jwt' },
        task: { arguments: '["--task"]', message: "it's me" },
        environment: {
          json: '{"MODE":"fast","big":12345678901234567890,"list":[1,"b"]}',
          env: '{"FROM_GROUP":"1"}',
          secrets: [
            { id: 1, type: 'var', name: 'password', secret: 'hunter2!' },
            { id: 2, type: 'env', name: 'TOKEN', secret: 'tok-123' },
          ],
        },
      },
      {
        config: { envVars: { FROM_CONFIG: '1' }, forwardedEnvVars: ['FORWARDED'] },
        hostEnv: { FORWARDED: 'f', UNSEEN: 'u' },
      },
    );
    expect(outcome).toEqual({ kind: 'success' });
    expect(lines.filter((line) => line.startsWith('arg: '))).toEqual([
      'arg: password=hunter2!',
      'arg: --template arg',
      'arg: big=12345678901234567890',
      'arg: list=[1,"b"]',
      'arg: --task',
    ]);
    const env = lines.filter((line) => /^[A-Z_]+=/.test(line)).map((line) => line.split('=')[0] ?? '');
    expect(lines).toContain("SEMAPHORE_TASK_DETAILS_MESSAGE=it's me");
    expect(lines).toContain('SEMAPHORE_TASK_DETAILS_URL=http://semaphore.test/project/7/history?t=4711');
    expect(lines).toContain('MODE=fast');
    expect(lines).toContain('TOKEN=tok-123');
    expect(lines).toContain('SEMAPHORE_JWT=eyJ.jwt');
    const known = /^(FROM_GROUP|FROM_CONFIG|FORWARDED|MODE|TOKEN|HOME|PATH|PWD|OLDPWD|SHLVL|_|SEMAPHORE_.+)$/;
    expect(env.filter((name) => !known.test(name))).toEqual([]);
    for (const secret of ['hunter2!', 'tok-123', 'eyJ.jwt']) expect(task.secrets).toContain(secret);
  });

  it('ends with one line that tells the exit code', async () => {
    const { outcome, lines } = await taskRoom().run(scripted({ 'run.sh': 'echo before; exit 3' }));
    expect(outcome).toEqual({ kind: 'failed', reason: 'Task failed in run: bash exited with code 3.' });
    expect(lines.at(-1)).toBe('before');
  });

  it('says when a signal ended it', async () => {
    const { outcome } = await taskRoom().run(scripted({ 'run.sh': 'kill -9 $$' }));
    expect(reasonIn(outcome)).toMatch(/^Task failed in run: bash was killed by SIGKILL\. .*memory/);
  });

  it('is stopped while it runs, and leaves nothing', async () => {
    const room = taskRoom();
    const task = await testTaskHost((step) => step.key === 'run' && setTimeout(() => task.stop(), 300));
    const { outcome, lines } = await room.run(
      scripted({ 'run.sh': 'trap "echo bye; exit 1" TERM; echo started; sleep 60 & wait' }),
      { host: task },
    );
    expect(outcome).toEqual({ kind: 'stopped' });
    expect(lines.slice(-2)).toEqual(['started', 'bye']);
    expect(existsSync(join(room.project, 'task_4711'))).toBe(false);
  });

  it('is not begun when it was stopped before', async () => {
    const task = await testTaskHost();
    task.stop();
    const { outcome } = await taskRoom().run(scripted({ 'run.sh': 'echo never' }), { host: task });
    expect(outcome).toEqual({ kind: 'stopped' });
    expect(task.steps).toEqual([]);
  });

  it('runs a commit that was asked for, and reports none', async () => {
    const repository = new TestRepository();
    const first = repository.commit({ 'run.sh': 'echo first; echo $SEMAPHORE_TASK_DETAILS_COMMIT_HASH' }, 'one');
    repository.commit({ 'run.sh': 'echo second' }, 'two');
    const { lines, task } = await taskRoom().run({
      repository: { git_url: repository.url },
      task: { commit_hash: first },
    });
    expect(lines.slice(-3)).toEqual([`Checkout repository to ${first}`, 'first', first]);
    expect(task.commits).toEqual([]);
  });

  it('takes the branch of the template, and of the task where that is allowed', async () => {
    const repository = new TestRepository();
    for (const branch of ['main', 'of-template', 'of-task']) {
      if (branch !== 'main') repository.git('checkout', '-q', '-b', branch);
      repository.commit({ 'run.sh': `echo ${branch}` });
    }
    const room = taskRoom();
    const parts = { repository: { git_url: repository.url }, task: { git_branch: 'of-task' } };
    expect((await room.run(parts)).lines.at(-1)).toBe('main');
    const template = { git_branch: 'of-template' };
    expect((await room.run({ ...parts, template })).lines.at(-1)).toBe('of-template');
    const allowed = { ...template, allow_override_branch_in_task: true };
    expect((await room.run({ ...parts, template: allowed })).lines.at(-1)).toBe('of-task');
  });

  it('uses a local repository in place and changes nothing in it', async () => {
    const directory = tempDir();
    writeFileSync(join(directory, 'run.sh'), 'pwd -P');
    const room = taskRoom();
    const { outcome, lines } = await room.run({ repository: { git_url: directory } });
    expect(outcome).toEqual({ kind: 'success' });
    expect(lines).toEqual(['Preparing: 4711', directory]);
    expect(readdirSync(directory)).toEqual(['run.sh']);
    const missing = await room.run({ repository: { git_url: join(directory, 'none') } });
    expect(reasonIn(missing.outcome)).toContain('Failed in finding static repository');
  });

  it('does not share its working tree with a task that runs at the same time', async () => {
    const room = taskRoom();
    const parts = scripted({
      'run.sh': 'echo $1 > mark; sleep 0.4; test "$(cat mark)" = "$1" && echo alone in $(basename $PWD)',
    });
    const runs = await Promise.all(
      [1, 2, 3].map((id) =>
        room.run({
          ...parts,
          task: { id, arguments: `["${id}"]` },
          template: { ...parts.template, allow_override_args_in_task: true },
        }),
      ),
    );
    expect(runs.map(({ outcome }) => outcome.kind)).toEqual(['success', 'success', 'success']);
    const places = runs.map(({ lines }) => lines.at(-1) ?? '');
    expect(new Set(places).size).toBe(3);
    expect(places.every((place) => place.startsWith('alone in repository_3_template_33_main_'))).toBe(true);
  });

  it.each([
    ['../outside.sh', /the script "..\/outside.sh" leads out of the repository/],
    ['/etc/profile', /leads out of the repository/],
    ['', /the template names no script/],
  ])('refuses the script %j before anything is fetched', async (playbook, reason) => {
    const { outcome, task } = await taskRoom().run(scripted({ 'run.sh': '' }, { playbook }));
    expect(reasonIn(outcome)).toMatch(/^Task failed in prepare: /);
    expect(reasonIn(outcome)).toMatch(reason);
    expect(task.steps).toEqual([]);
  });

  it('says what is wrong when the checkout fails', async () => {
    const { outcome } = await taskRoom().run({ repository: { git_url: 'file:///no/such.git' } });
    expect(reasonIn(outcome)).toMatch(/^Task failed in clone: file:\/\/\/no\/such\.git does not exist/);
  });

  it('has the project directory as its home where the mode says so', async () => {
    const room = taskRoom();
    const { lines } = await room.run(scripted({ 'run.sh': 'echo $HOME' }), { config: { homeDirMode: 'project_home' } });
    expect(lines.at(-1)).toBe(room.project);
  });
});

describe('other apps', () => {
  it.runIf(needs('python3'))('python runs python3', async () => {
    const { outcome, lines } = await taskRoom().run(
      scripted(
        { 'run.py': 'import sys\nprint(sys.version_info[0], sys.argv[1:])\n' },
        { app: 'python', arguments: '["a b"]' },
      ),
    );
    expect(outcome).toEqual({ kind: 'success' });
    expect(lines.at(-1)).toBe("3 ['a b']");
  });

  it('powershell runs pwsh (a stand-in)', async () => {
    const { lines } = await taskRoom().run(scripted({ 'run.ps1': '' }, { app: 'powershell' }), {
      hostEnv: { PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` },
    });
    expect(lines.slice(-3)).toEqual(['stand-in for pwsh', 'argument: -File', 'argument: run.ps1']);
  });

  it('a custom app runs what the configuration says', async () => {
    const { lines } = await taskRoom().run(scripted({ 'main.conf': '' }, { app: 'my-tool' }), {
      config: { apps: { 'my-tool': { path: '/bin/echo', args: ['custom', '--'] } } },
    });
    expect(lines.at(-1)).toBe('custom -- main.conf');
  });

  it('a missing one fails the task with a line that names it and the remedy', async () => {
    const { outcome } = await taskRoom().run(scripted({ x: '' }, { app: 'pulumi' }));
    expect(reasonIn(outcome)).toMatch(/^Task failed in run: pulumi cannot be started: .*Install pulumi/);
  });
});

describe.runIf(needs('ssh-add') && needs('ssh-keygen'))('the SSH key of the inventory', () => {
  it('is in an agent of the task', async () => {
    const { privateKey, publicKey } = makeKey(tempDir());
    const { outcome, lines } = await taskRoom().run({
      ...scripted({ 'run.sh': 'ssh-add -L' }),
      inventory: { ssh_key_id: 12 },
      keys: { 12: { type: 'ssh', ssh: { login: '', passphrase: '', private_key: privateKey } } },
    });
    expect(outcome).toEqual({ kind: 'success' });
    expect(lines.at(-1)?.split(' ').slice(0, 2)).toEqual(publicKey.split(' ').slice(0, 2));
  });
});

describe('the user that tasks run as', () => {
  const process_ = { user: undefined, uid: undefined, gid: undefined, chroot: undefined, noNewPrivs: false };

  it.runIf(userInfo().uid === 0)(
    'is the one of the configuration, for git and the tool, and owns what they need',
    async () => {
      const room = taskRoom();
      mkdirSync(room.root, { recursive: true });
      const { execFileSync } = await import('node:child_process');
      execFileSync('chmod', ['711', room.root]);
      const parts = scripted({ 'run.sh': 'id -un; touch here && echo may write' });
      const path = String(parts.repository?.['git_url']).slice('file://'.length);
      execFileSync('chown', ['-R', 'nobody', join(path, '..')]);
      const { outcome, lines } = await room.run(parts, { config: { process: { ...process_, user: 'nobody' } } });
      expect({ outcome, lines: lines.slice(-2) }).toEqual({
        outcome: { kind: 'success' },
        lines: ['nobody', 'may write'],
      });
    },
  );

  it('must exist', async () => {
    const { outcome } = await taskRoom().run(scripted({ 'run.sh': '' }), {
      config: { process: { ...process_, user: 'no-such-user' } },
    });
    expect(reasonIn(outcome)).toContain('there is no user "no-such-user"');
  });

  it('cannot be shut in yet, which is said', async () => {
    const { outcome, task } = await taskRoom().run(scripted({ 'run.sh': '' }), {
      config: { process: { ...process_, chroot: '/jail' } },
    });
    expect(reasonIn(outcome)).toContain('which this version of the runner cannot do');
    expect(task.steps).toEqual([]);
  });
});
