import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';
import { ansible, plain, play } from './ansible-support.ts';
import { taskRoom, type TaskRun } from './support.ts';

const workflow = { task: { workflow_run_id: 5 } };

function outputsOf({ outcome }: TaskRun): unknown {
  return outcome.kind === 'success' && outcome.outputs !== undefined ? JSON.parse(outcome.outputs) : outcome;
}

/** A callback plugin of the user that says it is there. */
const callback = `
from ansible.plugins.callback import CallbackBase
class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = 'aggregate'
    CALLBACK_NAME = 'mine'
    CALLBACK_NEEDS_ENABLED = True
    def v2_playbook_on_start(self, playbook):
        self._display.display('callback of the user is here')
`;

describe.runIf(needs('ansible-playbook'))('the outputs of a playbook', () => {
  it('are what set_stats says of the run', async () => {
    const run = await taskRoom().run({
      ...ansible({
        'site.yml': play(
          'set_stats: {data: {version: "1.4.0", hosts: [a, {b: null}], count: 3, share: 0.5, "on": true}}',
          'set_stats: {data: {count: 4}}',
          'set_stats: {data: {greeting: "{{ greeting }}", when: 2026-10-10}, aggregate: false}',
          'set_stats: {data: {of_a_host: 1}, per_host: true}',
        ),
      }),
      ...workflow,
      environment: { json: JSON.stringify({ greeting: 'hällo {{ x }} "q"' }) },
    });
    expect(outputsOf(run)).toEqual({
      values: {
        version: '1.4.0',
        hosts: ['a', { b: null }],
        count: 7,
        share: 0.5,
        on: true,
        greeting: 'hällo {{ x }} "q"',
        when: '2026-10-10',
      },
      skipped: {},
    });
    expect(run.task.steps.map(({ command }) => command)).not.toContain('ansible-config');
  });

  it('are not what is not to be shown', async () => {
    const directory = tempDir();
    writeFileSync(join(directory, 'password'), 'vault-s3cret');
    const encrypted = execFileSync(
      'ansible-vault',
      ['encrypt_string', '--vault-password-file', join(directory, 'password'), 'from-the-vault', '--name', 'locked'],
      { encoding: 'utf8' },
    );
    const inline = encrypted.trim().replaceAll(/^/gm, '    ').replace('locked', 'inline');
    const run = await taskRoom().run({
      ...ansible(
        {
          'site.yml': play(
            'include_vars: vars.yml',
            `set_stats:\n  data:\n${inline}`,
            'set_stats: {data: {quiet: do-not-show}}\nno_log: true',
            'set_stats: {data: {silent: "{{ locked }}"}}\nno_log: true\nloop: [1, 2]',
            'set_stats: {data: {token: "{{ token }}", good: 1, undefined: .nan}}',
          ),
          'vars.yml': encrypted,
        },
        { vaults: [{ id: 1, project_id: 7, template_id: 33, vault_key_id: 15, name: null, type: 'password' }] },
      ),
      ...workflow,
      environment: { secrets: [{ id: 1, type: 'var', name: 'token', secret: 'the-s3cret-token' }] },
      keys: { 15: { type: 'login_password', login_password: { login: '', password: 'vault-s3cret' } } },
    });
    expect(outputsOf(run)).toEqual({ values: { good: 1 }, skipped: { token: 'sensitive' } });
    const log = plain(run.lines).replaceAll('\n', ' ');
    expect(log).toContain('The output quiet is left out: its task has no_log');
    expect(log).toContain('The output silent is left out: its task has no_log');
    expect(log).toContain('The output inline is left out: it is encrypted with Ansible Vault');
    expect(log).toContain('The output undefined is left out: JSON has no nan');
    expect(log).toContain('Outputs that are not handed on: token (sensitive).');
  });

  it('are none without set_stats, or when the playbook fails', async () => {
    const none = await taskRoom().run({ ...ansible({ 'site.yml': play('debug: {msg: x}') }), ...workflow });
    expect(none.outcome).toEqual({ kind: 'success' });
    const failed = await taskRoom().run({
      ...ansible({ 'site.yml': play('set_stats: {data: {a: 1}}', 'fail: {msg: on purpose}') }),
      ...workflow,
    });
    expect(failed.outcome.kind).toBe('failed');
  });

  it('fail the task when a value is too large', async () => {
    const { outcome } = await taskRoom().run({
      ...ansible({ 'site.yml': play(`set_stats: {data: {long: "{{ 'x' * 40000 }}"}}`) }),
      ...workflow,
    });
    expect(outcome).toMatchObject({
      kind: 'failed',
      reason: expect.stringContaining('"long" is larger than 32768 bytes'),
    });
  });

  it.each([
    [
      'the configuration of Ansible, relative to it',
      { 'ansible.cfg': '[defaults]\ncallback_plugins = ./mine\ncallbacks_enabled = mine\n' },
      {},
    ],
    ['its environment', {}, { ANSIBLE_CALLBACKS_ENABLED: 'mine', ANSIBLE_CALLBACK_PLUGINS: 'mine' }],
    [
      'a directory beside the playbook',
      { 'callback_plugins/mine.py': callback },
      { ANSIBLE_CALLBACKS_ENABLED: 'mine' },
    ],
  ])('take no callback from the user who has some by %s', async (_how, files, env) => {
    const run = await taskRoom().run({
      ...ansible({ 'site.yml': play('set_stats: {data: {a: 1}}'), 'mine/mine.py': callback, ...files }),
      ...workflow,
      environment: { env: JSON.stringify(env) },
    });
    expect(outputsOf(run)).toEqual({ values: { a: 1 }, skipped: {} });
    expect(plain(run.lines)).toContain('callback of the user is here');
  });

  it('need no plugin outside of a workflow', async () => {
    const { lines, task } = await taskRoom().run(
      ansible({ 'site.yml': play(`debug: {msg: "{{ lookup('env', 'ANSIBLE_CALLBACK_PLUGINS') }}."}`) }),
    );
    expect(plain(lines)).toContain('"msg": "."');
    expect(task.steps.at(-1)?.env['ANSIBLE_CALLBACK_PLUGINS']).toBeUndefined();
  });

  it('come from a plugin that is in the package', () => {
    const { files } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
      files: string[];
    };
    expect(files).toContain('assets');
  });
});
