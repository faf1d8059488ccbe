import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inBatches, killedTask, type KilledTask } from '../support/killed-task/index.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';
import { configuration, delivered, type JobParts } from './support.ts';
import { plain } from './terraform-support.ts';

const bin = join(import.meta.dirname, '..', 'fixtures', 'bin');

/** A resource whose making is counted and takes a moment; it shows a secret variable that goes through a pipe. */
const main = `
variable "secret-name" { type = string }
resource "terraform_data" "one" {
  input = length(var.secret-name)
  provisioner "local-exec" {
    command = "echo made >> made; sleep 0.5"
  }
}
output "length" { value = terraform_data.one.output }
`;

const backend = (path: string): string => `terraform {\n  backend "local" {\n    path = "${path}"\n  }\n}\n`;

interface Room extends KilledTask {
  repository: string;
  read(name: string): string;
}

/** A task of a workflow on a local repository; its plan has to be confirmed. */
function terraformTask(files: Record<string, string> = {}, parts: JobParts = {}): Room {
  const repository = tempDir('tf-');
  for (const [name, content] of Object.entries({ 'main.tf': main, ...files })) {
    writeFileSync(join(repository, name), content);
  }
  const task = killedTask({
    ...delivered({
      template: { app: 'terraform', playbook: '' },
      inventory: { type: 'terraform-workspace', inventory: 'prod' },
      repository: { git_url: repository },
      environment: { secrets: [{ id: 1, type: 'var', name: 'secret-name', secret: 'hunter2!' }] },
      task: { workflow_run_id: 5 },
      ...parts,
    }),
    config: (tmpPath) =>
      configuration(tmpPath, { envVars: { CHECKPOINT_DISABLE: '1', TF_CLI_CONFIG_FILE: '/dev/null' } }),
    hostEnv: { PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` },
    decision: 'confirmed',
  });
  return { ...task, repository, read: (name) => readFileSync(join(repository, name), 'utf8') };
}

function logOf(task: Room): string[] {
  // Names and durations that are made up anew every time.
  return plain(task.log()).map((line) =>
    line
      .replaceAll(task.repository, '<repository>')
      .replaceAll(/id=[0-9a-f-]+/g, 'id=<id>')
      .replaceAll(/after \d+s|\[\d+s elapsed\]|\[\d+m\d+s elapsed\]/g, '<time>'),
  );
}

describe.runIf(needs('terraform'))('a terraform task whose runner is killed', () => {
  it('comes to the same end from everywhere, each command once, with the same log', { timeout: 580_000 }, async () => {
    const reference = terraformTask();
    const undisturbed = await reference.live();
    const outcome = { kind: 'success', outputs: '{"values":{"length":8},"skipped":{}}' };
    expect(undisturbed).toMatchObject({ outcome, survivors: 0 });
    expect(undisturbed?.statuses).toEqual(['waiting_confirmation', 'running']);
    const [log, started, points] = [logOf(reference), reference.started(), undisturbed?.points ?? 0];
    expect(started).toEqual(['init', 'workspace-select', 'plan', 'apply']);
    await inBatches(points, 2, async (before) => {
      const task = terraformTask();
      expect(await task.live({ before })).toBe(undefined);
      expect({ before, ...(await task.live()) }).toMatchObject({ before, outcome, survivors: 0 });
      expect(logOf(task)).toEqual(log);
      expect(task.started()).toEqual(started);
      expect(task.read('made')).toBe('made\n');
      expect(task.leftovers()).toEqual([]);
    });
  });

  it('goes on with any of its commands, and still applies what was confirmed', { timeout: 300_000 }, async () => {
    const reference = terraformTask();
    await reference.live();
    const commands = reference.started();
    await inBatches(commands.length, 1, async (number) => {
      const task = terraformTask();
      const during = commands[number - 1] ?? '';
      expect(await task.live({ during })).toBe(undefined);
      expect({ during, ...(await task.live()) }).toMatchObject({ during, outcome: { kind: 'success' } });
      expect(logOf(task)).toEqual(logOf(reference));
      expect(task.started()).toEqual(commands);
      expect(task.read('made')).toBe('made\n');
    });
  });

  it('puts back the file that it replaced for its backend', { timeout: 120_000 }, async () => {
    const own = '# of the repository\n';
    const parts: JobParts = {
      template: { app: 'terraform', playbook: '', task_params: { override_backend: true, backend_filename: 'b.tf' } },
      environment: { json: '{}', env: '{"TF_CLI_ARGS_init":"-backend=false"}' },
    };
    for (const during of ['init', 'plan']) {
      const task = terraformTask({ 'b.tf': own, 'main.tf': 'output "one" { value = 1 }\n' }, parts);
      expect(await task.live({ during })).toBe(undefined);
      expect(task.read('b.tf')).toContain('backend "http"');
      await task.live();
      expect(task.read('b.tf')).toBe(own);
    }
  });

  describe('while it is asked whether to move the state', () => {
    const parts: JobParts = { inventory: { type: 'terraform-workspace', inventory: '' } };

    const names = ['.terraform/terraform.tfstate', 'a.tfstate'];

    /** What a first task leaves, with its state in one file. */
    async function first(): Promise<string[]> {
      const task = terraformTask({ 'state.tf': backend('a.tfstate') }, parts);
      expect(await task.live()).toMatchObject({ outcome: { kind: 'success' } });
      return names.map((name) => task.read(name));
    }

    /** A task that is to move that state to another file. */
    function moving(contents: string[]): Room {
      const task = terraformTask({ 'state.tf': backend('b.tfstate') }, parts);
      mkdirSync(join(task.repository, '.terraform'));
      for (const [index, name] of names.entries()) writeFileSync(join(task.repository, name), contents[index] ?? '');
      return task;
    }

    it('runs init once more, when the question died with the runner', { timeout: 300_000 }, async () => {
      const before = await first();
      const reference = moving(before);
      const undisturbed = await reference.live();
      expect(undisturbed).toMatchObject({ outcome: { kind: 'success' } });
      expect(plain(reference.log())).toContain('The answer to this is "yes".');
      const points = undisturbed?.points ?? 0;
      await inBatches(points, 2, async (number) => {
        const task = moving(before);
        expect(await task.live({ before: number })).toBe(undefined);
        expect({ number, ...(await task.live()) }).toMatchObject({ number, outcome: { kind: 'success' } });
        const keys = task.started().filter((one) => !one.startsWith('init'));
        expect(keys).toEqual(reference.started().filter((one) => one !== 'init'));
        expect([['init'], ['init', 'init-2']]).toContainEqual(task.started().filter((one) => one.startsWith('init')));
      });
    });
  });
});
