import { readFile } from 'node:fs/promises';
import type { RunnerConfig, SshConfig } from '../../config/index.ts';
import { configParameters } from '../../git/index.ts';
import { messageOf, UserError } from '../../lib/index.ts';
import type { JobData } from '../../protocol/ui/index.ts';
import type { OpenPlace, TaskHost, TaskPlace } from '../../tasks/types.ts';
import { startAgentInContainer } from './agent-in-container.ts';
import { askContainer, lostContainers } from './asking.ts';
import { ContainerFiles } from './container-files.ts';
import { checkOutInContainer, localTreeInContainer, type TreeContext } from './container-tree.ts';
import type { ContainerEngine, TaskContainers } from './engine.ts';
import { prepareContainers, type ContainerFacts } from './facts.ts';
import { endContainerStep } from './run-step.ts';
import { endCapturesScript } from './step-scripts.ts';

/** Home of the tools (spec 6.3). */
const home = '/workspace';
/** Only in memory, and the user's alone. */
const privateDirectory = '/secrets';
/** All of it is gone with the containers, soon after: nobody waits longer for their engine. Milliseconds. */
const closeMs = 10_000;

export interface ContainerPlaceOptions {
  engine: ContainerEngine;
  config: RunnerConfig;
  /** Environment of the runner itself. */
  hostEnv: Readonly<Record<string, string | undefined>>;
  /** Name of the containers of the task. */
  name: string;
}

/**
 * Tasks run in containers of their own, which are made when the task is opened (spec 6.3, 6.4). They are removed by whoever has the
 * task, once its result is known: closing the place only takes the secrets away and ends what still runs.
 */
export function createContainerPlace(options: ContainerPlaceOptions): OpenPlace {
  return (job, host) => open(options, job, host);
}

async function open(options: ContainerPlaceOptions, job: JobData, host: TaskHost): Promise<TaskPlace> {
  const { config, engine } = options;
  const containers = await openContainers(options, job, host);
  const executor = config.runner.executor[engine.type];
  const image = job.template.executorImage ?? executor.image;
  // Once: how they are found does not depend on what a task has done there since.
  const facts = await host.once('containers-facts', () => prepareContainers(containers, host.signal));
  const environmentOf = (role: ContainerFacts) => environment(options, role);
  const { baseEnv, helperEnv } = await host.once('environment', () =>
    Promise.resolve({ baseEnv: environmentOf(facts.build), helperEnv: environmentOf(facts.helper) }),
  );
  const files = new ContainerFiles({ containers, signal: host.signal });
  const ssh = await sshInContainer(config.ssh, files);
  const tree: TreeContext = {
    containers,
    host,
    facts,
    files,
    helperEnv,
    helperImage: executor.helperImage,
    helperKey: `runner.executor.${engine.type}.helper_image`,
    privateDirectory,
    attempts: config.gitAttempts,
    stopGraceMs: config.runner.stopGraceMs,
  };
  const inPrivate = (name: string): string => `${privateDirectory}/${name}`;
  return {
    host,
    files,
    baseEnv,
    ssh,
    toolsAt: `in the image ${image}`,
    privateDirectory,
    writePrivate: async (name, content) => {
      await files.putNew(inPrivate(name), content);
      return inPrivate(name);
    },
    takeHome: async () => {
      const internal = `${home}/.semaphore-internal`;
      await files.makeDirectory(internal);
      return { home, internal };
    },
    handOver: (handOvers) => files.putPrivate(handOvers),
    startAgent: async (name, keys) => {
      const socket = inPrivate(`${name}.sock`);
      const places = [
        { role: 'build', image },
        { role: 'helper', image: executor.helperImage },
      ] as const;
      await startAgentInContainer({ containers, socket, keys, places, signal: host.signal });
      return socket;
    },
    socketDirectory: async (name) => {
      await files.makeDirectory(inPrivate(name));
      return inPrivate(name);
    },
    checkOut: (request) => checkOutInContainer(request, tree),
    localTree: (path, key) => localTreeInContainer(path, key, tree),
    close: () => close(containers),
  };
}

/** Opens them once. Those that an earlier runner has opened are used as they are; when they are gone, so is the task. */
async function openContainers(
  { engine, name }: ContainerPlaceOptions,
  { task, template }: JobData,
  host: TaskHost,
): Promise<TaskContainers> {
  const request = { name, taskId: task.id, image: template.executorImage };
  const { signal } = host;
  const say = (line: string): void => host.remark(line);
  let opened: TaskContainers | undefined;
  await host.once('containers', async () => {
    opened = await engine.open(request, { signal, say, resumed: false });
    return true;
  });
  if (opened) return opened;
  const found = await engine.open(request, { signal, say, resumed: true });
  if (!found) throw lostContainers('they were removed, or have ended, while no runner was there');
  await Promise.all(
    (['build', 'helper'] as const).map((role) => {
      const args = [`/workspace/.semaphore-${role}`];
      return askContainer({ containers: found, role, script: endCapturesScript, args, signal });
    }),
  );
  return found;
}

/**
 * What every process starts from: what the image brings, the variables that the configuration forwards and sets. Of the runner's own
 * environment neither PATH nor HOME mean anything here.
 */
function environment({ config, hostEnv }: ContainerPlaceOptions, facts: ContainerFacts): Record<string, string> {
  const env: Record<string, string> = { ...facts.env };
  for (const name of config.forwardedEnvVars) {
    const value = hostEnv[name];
    if (value !== undefined && value !== '' && name !== 'PATH' && name !== 'HOME') env[name] = value;
  }
  Object.assign(env, config.envVars, { HOME: home });
  // The repository may be somebody else's where the helper is not root.
  return { ...env, GIT_CONFIG_PARAMETERS: configParameters([['safe.directory', '*']], env['GIT_CONFIG_PARAMETERS']) };
}

/** The administrator's files for ssh are on the machine of the runner: the task gets copies. Throws UserError. */
async function sshInContainer(ssh: SshConfig, files: ContainerFiles): Promise<SshConfig> {
  const copy = async (path: string | undefined, name: string, key: string): Promise<string | undefined> => {
    if (path === undefined) return undefined;
    const content = await readFile(path, 'utf8').catch((error: unknown) => {
      throw new UserError(`${path} cannot be read: ${messageOf(error)}`, { hint: `Correct ${key}.`, cause: error });
    });
    const to = `${privateDirectory}/ssh/${name}`;
    await files.putNew(to, content);
    return to;
  };
  return {
    ...ssh,
    configPath: await copy(ssh.configPath, 'config', 'ssh.config_path'),
    knownHostsFile: await copy(ssh.knownHostsFile, 'known_hosts', 'ssh.known_hosts_file'),
  };
}

/** Ends what a step has left behind, and takes the secrets away. Neither is worth an error: the containers are removed. */
async function close(containers: TaskContainers): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  const timer = setTimeout(() => over.abort(), closeMs);
  const directory = `${home}/.semaphore-build/none`;
  const script = `rm -rf ${privateDirectory}/* ${privateDirectory}/.[!.]*`;
  // One after the other: the first ends whatever else runs.
  await endContainerStep(
    { containers, directory, role: 'build', signal },
    { signal: 'SIGKILL', graceMs: 0, whom: 'all' },
  );
  await askContainer({ containers, role: 'build', script, signal }).catch(() => undefined);
  clearTimeout(timer);
}
