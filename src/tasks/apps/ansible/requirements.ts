import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path/posix';
import type { AnsibleTaskParams, AnsibleTemplateParams } from '../../../protocol/ui/index.ts';
import { inside } from '../../inside.ts';
import { runStep } from '../../problem.ts';
import type { Step, TaskFiles } from '../../types.ts';
import type { AppInput } from '../app.ts';
import { galaxyArguments } from './galaxy-arguments.ts';

type Kind = 'collection' | 'role';

export interface RequirementsOptions {
  input: AppInput;
  params: AnsibleTaskParams;
  templateParams: AnsibleTemplateParams;
  /** With what git needs to fetch them. */
  env: Record<string, string>;
  cwd: string;
}

/** Installs the collections and roles that the repository asks for, unless its files have not changed (spec 5.7). */
export async function installRequirements(options: RequirementsOptions): Promise<void> {
  const { input, params, templateParams } = options;
  const { host, job } = input.context;
  const skip = templateParams.allowOverrideSkipGalaxyInstall
    ? params.skipGalaxyInstall
    : templateParams.skipGalaxyInstall;
  if (skip) {
    host.log('Galaxy install step is skipped.');
    return;
  }
  const playbook = inside(input.directory, job.template.playbook, 'the playbook');
  for (const kind of ['collection', 'role'] as const) {
    for (const path of candidates(kind, dirname(playbook), input.directory)) await install(kind, path, options);
  }
}

/** Where requirements may be, in order; the playbook's directory may be the repository's root. */
function candidates(kind: Kind, playbookDirectory: string, root: string): string[] {
  const paths = [playbookDirectory, root].flatMap((directory) => [
    join(directory, `${kind}s`, 'requirements.yml'),
    join(directory, 'requirements.yml'),
  ]);
  return [...new Set(paths)];
}

async function install(kind: Kind, path: string, options: RequirementsOptions): Promise<void> {
  const { context, home } = options.input;
  const { config, files, host } = context;
  const key = `galaxy-${kind}-${md5(path).slice(0, 8)}`;
  const noted = join(home.internal, `requirements_${md5(path)}_${kind}.md5`);
  const need = await host.once(`${key}-need`, () => needFor(files, kind, path, noted));
  if (need.kind !== 'install') {
    host.log(`${remarks[need.kind](path, kind)}. Skip galaxy install process.`);
    return;
  }
  const { galaxyCollectionArgs, galaxyRoleArgs } = options.templateParams;
  const extra = galaxyArguments(kind === 'role' ? galaxyRoleArgs : galaxyCollectionArgs);
  const step: Step = {
    key,
    phase: 'requirements',
    command: 'ansible-galaxy',
    args: [kind, 'install', '-r', path, '--force', ...extra],
    cwd: options.cwd,
    env: options.env,
    stop: { signal: 'SIGTERM', graceMs: config.runner.stopGraceMs },
  };
  await runStep(host, step, 'ansible-galaxy');
  await host.once(`${key}-noted`, async () => {
    await files.write(noted, need.hash, 0o600);
    return true;
  });
}

type Need = { kind: 'no file' | 'not this kind' | 'unchanged' } | { kind: 'install'; hash: string };

const remarks: Readonly<Record<Exclude<Need['kind'], 'install'>, (path: string, kind: Kind) => string>> = {
  'no file': (path) => `No ${path} file found`,
  'not this kind': (path, kind) => `${path} asks for no ${kind}s`,
  unchanged: (path) => `${path} has no changes`,
};

/** Whether there is something to install; `noted` has the hash of what is installed. */
async function needFor(files: TaskFiles, kind: Kind, path: string, noted: string): Promise<Need> {
  const content = (await files.read(path))?.toString('utf8');
  if (content === undefined) return { kind: 'no file' };
  if (!asksFor(kind, content)) return { kind: 'not this kind' };
  const hash = md5(content);
  return (await files.read(noted))?.toString('utf8') === hash ? { kind: 'unchanged' } : { kind: 'install', hash };
}

/** A file with only the other kind would make ansible-galaxy fail; a list (the old form) holds roles. */
function asksFor(kind: Kind, content: string): boolean {
  const isMapping = /^(collections|roles)\s*:/m.test(content);
  return isMapping ? new RegExp(`^${kind}s\\s*:`, 'm').test(content) : kind === 'role' && /^\s*-/m.test(content);
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}
