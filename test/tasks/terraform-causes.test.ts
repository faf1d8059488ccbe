import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/runner.ts';
import { testTaskHost } from '../support/task-host.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';
import { terraformRoom } from './terraform-support.ts';

/** The last line of a failed task, from what the real terraform says. */

const one = 'resource "terraform_data" "one" {\n  input = "first"\n}\n';

function reason(cause: string) {
  return { kind: 'failed', reason: expect.stringContaining(`: ${cause}. `) };
}

describe.runIf(needs('terraform'))('causes that the real terraform tells of', () => {
  it.each([
    ['variable "region" {\n  type = string\n}\n', 'the variable region has no value'],
    ['terraform {\n  required_version = ">= 99.0"\n}\n', 'the configuration wants another version of the tool'],
    ['module "m" {\n  source = "git::file:///no/such.git"\n}\n', 'a module cannot be fetched'],
  ])('%j: %s', async (text, cause) => {
    expect((await terraformRoom({ 'main.tf': text }).run()).outcome).toMatchObject(reason(cause));
  });

  it('a provider that cannot be had', async () => {
    const directory = tempDir();
    mkdirSync(join(directory, 'mirror'));
    const file = join(directory, 'cli.tfrc');
    writeFileSync(
      file,
      `provider_installation {\n  filesystem_mirror {\n    path = "${join(directory, 'mirror')}"\n  }\n}\n`,
    );
    const room = terraformRoom({ 'main.tf': 'resource "null_resource" "a" {\n}\n' });
    const { outcome } = await room.run({}, { env: { TF_CLI_CONFIG_FILE: file } });
    expect(outcome).toMatchObject(reason('a provider cannot be installed'));
  });

  it('TF_WORKSPACE against the workspace of the inventory', async () => {
    const { outcome } = await terraformRoom({ 'main.tf': one }).run({
      inventory: { inventory: 'prod' },
      environment: { env: '{"TF_WORKSPACE":"test"}' },
    });
    expect(outcome).toMatchObject(
      reason('TF_WORKSPACE in the environment stands against the workspace of the inventory'),
    );
  });

  it('a state that changed after the plan', async () => {
    const room = terraformRoom({ 'main.tf': one });
    const host = await testTaskHost();
    const wait = {
      ...host.host,
      waitForDecision: async () => {
        execFileSync('terraform', ['apply', '-auto-approve'], { cwd: room.repository, stdio: 'ignore' });
        return 'confirmed' as const;
      },
    };
    const { outcome } = await room.run(
      { template: { task_params: { auto_approve: false } } },
      { host: { ...host, host: wait } },
    );
    expect(outcome).toMatchObject(reason('the state was changed by somebody else after the plan had been made'));
  });

  it('a state that is locked', async () => {
    const room = terraformRoom({
      'main.tf':
        'resource "terraform_data" "slow" {\n  provisioner "local-exec" {\n    command = "echo has begun; while ! test -e go-on; do sleep 0.1; done"\n  }\n}\n',
    });
    const host = await testTaskHost();
    const first = room.run({}, { host });
    await eventually(() => host.lines().some((line) => line.includes('has begun')), 30_000);
    const second = await room.run({ task: { id: 4712 } });
    room.write('go-on', '');
    expect(second.outcome).toMatchObject(reason('the state is locked'));
    expect((await first).outcome).toEqual({ kind: 'success' });
  });
});
