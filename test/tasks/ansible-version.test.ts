import { copyFileSync, existsSync, readFileSync, utimesSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';
import { ansible, reasonIn } from './ansible-support.ts';
import { taskRoom, type JobParts } from './support.ts';

/** A stand-in, whose version and list of calls are given by its environment. */
const standIn = join(import.meta.dirname, '../fixtures/bin/old-ansible/ansible-playbook');

const login = { 13: { type: 'login_password', login_password: { login: 'deploy', password: 'login-s3cret' } } };
const noPassword = { 13: { type: 'login_password', login_password: { login: 'deploy', password: '' } } };

/** Runs a task with the stand-in as the only Ansible, as often as asked. */
function withStandIn() {
  const bin = tempDir();
  const executable = join(bin, 'ansible-playbook');
  copyFileSync(standIn, executable);
  const calls = join(bin, 'calls');
  return {
    executable,
    calls: () => (existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : []),
    run: async (parts: JobParts, version = '2.9.27') =>
      taskRoom().run(
        {
          ...ansible({ 'site.yml': '' }),
          ...parts,
          environment: { env: JSON.stringify({ STAND_IN_VERSION: version, STAND_IN_CALLS: calls }) },
        },
        { hostEnv: { PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` } },
      ),
  };
}

describe('an Ansible that is too old for password files', () => {
  it.each([
    ['2.9.27', { ssh_key_id: 13 }],
    ['2.10.17', { become_key_id: 13 }],
    ['[core 2.11.12] ', { ssh_key_id: 13, become_key_id: 13 }],
    ['1.9.6', { ssh_key_id: 13 }],
  ])('is refused (%s), naming what is there and what is needed', async (version, inventory) => {
    const { run } = withStandIn();
    const { outcome, lines, task } = await run({ inventory, keys: login }, version);
    const shown = version.replaceAll(/\[core |\] /g, '');
    expect(reasonIn(outcome)).toBe(
      'Task failed in prepare: the keys of the inventory have passwords, and this Ansible cannot be given any: ' +
        `it is ${shown}, and ansible-core 2.12 or newer is needed. ` +
        "Install a newer ansible-core on the runner's machine, or use an SSH key without a become password.",
    );
    expect(lines.join('\n')).not.toContain('stand-in');
    expect(task.steps.some(({ key }) => key === 'run')).toBe(false);
  });

  it.each(['[core 2.12.0]', '[core 2.14.18]', '[core 2.19.0b1]', '[core 3.0.0.dev0]', 'who knows'])(
    'is not %s',
    async (version) => {
      const { outcome } = await withStandIn().run({ inventory: { ssh_key_id: 13 }, keys: login }, version);
      expect(outcome).toEqual({ kind: 'success' });
    },
  );

  it('is used where no password is needed, without a look at its version', async () => {
    const { calls, run } = withStandIn();
    const { outcome } = await run({ inventory: { ssh_key_id: 13 }, keys: noPassword });
    expect(outcome).toEqual({ kind: 'success' });
    expect(calls()).toEqual([]);
  });

  it('is asked once, and again when it has changed', async () => {
    const { calls, executable, run } = withStandIn();
    const parts: JobParts = { inventory: { ssh_key_id: 13 }, keys: login };
    await run(parts);
    await run(parts);
    expect(calls()).toEqual(['--version']);
    utimesSync(executable, new Date(), new Date(Date.now() + 60_000));
    const { outcome } = await run(parts, '[core 2.16.3]');
    expect(calls()).toEqual(['--version', '--version']);
    expect(outcome).toEqual({ kind: 'success' });
  });
});
