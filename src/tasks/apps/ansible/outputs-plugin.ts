import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { join as joinThere } from 'node:path/posix';
import { InternalError } from '../../../lib/index.ts';
import type { TaskContext } from '../../context.ts';
import { TaskStopped } from '../../problem.ts';
import type { TaskFiles, TaskHost } from '../../types.ts';
import type { AppInput } from '../app.ts';

const pluginName = 'semaphore_outputs.py';
const pathVariable = 'ANSIBLE_CALLBACK_PLUGINS';

/**
 * The environment in which Ansible hands on what `set_stats` says (spec 5.13): our callback plugin, copied to where the user of
 * the task can read it, besides those that the task, the configuration of Ansible, or Ansible itself has. Empty for a task
 * without outputs.
 */
export async function outputsPluginVariables(
  input: AppInput,
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<Record<string, string>> {
  if (!input.outputs) return {};
  const { place } = input.context;
  await place.writePrivate(pluginName, await readFile(pluginPath(), 'utf8'));
  const configured = async (host: TaskHost): Promise<string | null> =>
    (await configuredPath(input.context, host, env, cwd)) ?? null;
  const others =
    env[pathVariable] ?? (await input.context.host.once('callback-plugins', configured)) ?? defaultPath(env);
  return { [pathVariable]: `${others}:${place.privateDirectory}` };
}

/** The plugin is beside the sources and beside the bundle, which are at different depths. */
function pluginPath(): string {
  let directory = import.meta.dirname;
  for (let depth = 0; depth < 6; depth += 1) {
    const path = join(directory, 'assets', 'ansible', pluginName);
    if (existsSync(path)) return path;
    directory = dirname(directory);
  }
  throw new InternalError(`${pluginName} is missing from this installation`);
}

function defaultPath(env: Readonly<Record<string, string>>): string {
  return `${env['ANSIBLE_HOME'] ?? '~/.ansible'}/plugins/callback:/usr/share/ansible/plugins/callback`;
}

/**
 * What an ansible.cfg says, which our variable would override. Only Ansible knows which file counts and what its paths are
 * relative to; it takes a second to say so, and is asked only when a file mentions the setting.
 */
async function configuredPath(
  context: TaskContext,
  host: TaskHost,
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<string | undefined> {
  if (!(await isMentioned(context.files, env, cwd))) return undefined;
  const { result, stdout } = await host.capture({
    key: 'ansible-config',
    phase: 'prepare',
    command: 'ansible-config',
    args: ['dump', '--only-changed'],
    cwd,
    env: { ...env, ANSIBLE_FORCE_COLOR: 'False', ANSIBLE_NOCOLOR: 'True' },
    stop: { signal: 'SIGTERM', graceMs: context.config.runner.stopGraceMs },
  });
  if (result.kind === 'stopped') throw new TaskStopped();
  const list = /^DEFAULT_CALLBACK_PLUGIN_PATH\(.*\) = \[(.+)\]$/m.exec(stdout)?.[1];
  if (list === undefined) return undefined;
  const paths = [...list.matchAll(/'([^']*)'|"([^"]*)"/g)].map(([, single, double]) => single ?? double ?? '');
  return paths.join(':');
}

async function isMentioned(files: TaskFiles, env: Readonly<Record<string, string>>, cwd: string): Promise<boolean> {
  const given = env['ANSIBLE_CONFIG'];
  const places = [
    ...(given === undefined ? [] : [given, joinThere(given, 'ansible.cfg')]),
    joinThere(cwd, 'ansible.cfg'),
    joinThere(env['HOME'] ?? '/', '.ansible.cfg'),
    '/etc/ansible/ansible.cfg',
  ];
  const texts = await Promise.all(places.map((path) => files.read(path).catch(() => undefined)));
  return texts.some((text) => text !== undefined && /^\s*callback_plugins\s*[=:]/m.test(text.toString('utf8')));
}
