import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { RunnerConfig } from '../../src/config/index.ts';
import { tempDir } from '../support/temp-dir.ts';
import { testTaskHost, type TestTaskHost } from '../support/task-host.ts';
import type { Step } from '../../src/tasks/index.ts';
import { taskRoom, type JobParts, type TaskRun } from './support.ts';

const bin = join(import.meta.dirname, '..', 'fixtures', 'bin');

export interface TerraformRoom {
  /** The repository, used in place, with its state in it. */
  repository: string;
  /** `P` of the project. */
  project: string;
  write(name: string, content: string): void;
  read(name: string): string;
  /** Resources and outputs as the state has them. */
  state(name?: string): { resources: { name: string }[]; outputs: Record<string, { value: unknown }> };
  run(parts?: JobParts, options?: TerraformRunOptions): Promise<TaskRun>;
}

export interface TerraformRunOptions {
  host?: TestTaskHost;
  config?: Partial<RunnerConfig>;
  env?: Record<string, string>;
}

/** A local repository with these files, on which tasks are run one after the other; approved before unless they say otherwise. */
export function terraformRoom(files: Record<string, string>): TerraformRoom {
  const room = taskRoom();
  const repository = tempDir('tf-');
  const write = (name: string, content: string): void => {
    mkdirSync(dirname(join(repository, name)), { recursive: true });
    writeFileSync(join(repository, name), content);
  };
  const read = (name: string): string => readFileSync(join(repository, name), 'utf8');
  for (const [name, content] of Object.entries(files)) write(name, content);
  return {
    repository,
    project: room.project,
    write,
    read,
    state: (name = 'terraform.tfstate') => JSON.parse(read(name)),
    run: (parts = {}, { config, env, host } = {}) => {
      const { task_params: taskParams, ...template } = parts.template ?? {};
      return room.run(
        {
          ...parts,
          template: {
            app: 'terraform',
            playbook: '',
            task_params: { auto_approve: true, ...(taskParams as object) },
            ...template,
          },
          inventory: { type: 'terraform-workspace', inventory: '', ...parts.inventory },
          repository: { git_url: repository, ...parts.repository },
        },
        {
          ...(host ? { host } : {}),
          hostEnv: { PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` },
          config: {
            // No network in tests: neither version checks nor credentials of this machine.
            envVars: { CHECKPOINT_DISABLE: '1', TF_CLI_CONFIG_FILE: '/dev/null', ...env },
            ...config,
          },
        },
      );
    },
  };
}

/** The arguments of the step with this key. */
export function argsOf(task: { steps: Step[] }, key: string): string[] {
  return [...(task.steps.find((step) => step.key === key)?.args ?? [])];
}

/** The lines without colour codes, so that their text can be compared. */
export function plain(lines: readonly string[]): string[] {
  // oxlint-disable-next-line no-control-regex -- colour codes begin with this control character
  return lines.map((line) => line.replaceAll(/\u001B\[[\d;]*m/g, ''));
}

/** A host with the answers to what the task will ask. */
export async function hostThatDecides(...decisions: ('confirmed' | 'rejected')[]): Promise<TestTaskHost> {
  const host = await testTaskHost();
  host.decisions.push(...decisions);
  return host;
}

/** One resource and one output that show a variable. */
export function showing(variable: string, type: string): string {
  return `variable "${variable}" {\n  type = ${type}\n}\nresource "terraform_data" "shown" {\n  input = var.${variable}\n}\noutput "shown" {\n  value = terraform_data.shown.output\n}\n`;
}
