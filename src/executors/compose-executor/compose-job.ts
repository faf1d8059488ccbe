import { existsSync, readFileSync } from 'node:fs';
import type { Logger } from '../../telemetry/index.ts';
import { callDocker, engineName } from './call-docker.ts';
import { composeFile, labelsFile, type JobContainer, type Mount } from './compose-file.ts';
import type { Compose } from './detect-compose.ts';
import type { ComposeDirectory } from './job-directory.ts';
import { removeProject } from './remove-project.ts';
import { runQuietly } from './run-quietly.ts';

export interface ComposeJobOptions {
  /** See `makeProjectName`. */
  project: string;
  jobId: string;
  directory: ComposeDirectory;
  compose: Compose;
  containers: readonly JobContainer[];
  mounts: readonly Mount[];
  /** Whether every container gets `/dev/kvm`. */
  exposeKvm: boolean;
  /** Of all commands. */
  env: Readonly<Record<string, string>>;
  logger: Pick<Logger, 'warn'>;
}

/** For `down`, beside what containers get to end in, milliseconds. */
const downMs = 60_000;
/** For an answer of the engine, milliseconds. */
const engineMs = 60_000;
const kvmDevice = '/dev/kvm';
const usualSocket = '/var/run/docker.sock';

/** The containers of one job, as docker compose sees them: what to call for what. */
export class ComposeJob {
  readonly #options: ComposeJobOptions;
  readonly #words: readonly string[];
  readonly #errors: string;

  /** Writes the files for compose. Throws the system's error. */
  constructor(options: ComposeJobOptions) {
    this.#options = options;
    const { project, jobId, directory, compose, containers, mounts } = options;
    const file = directory.writePrivate('docker-compose.yml', composeFile(containers, { kvm: this.#kvm(), mounts }));
    const labels = directory.writePrivate('labels.yml', labelsFile(containers, { 'semaphore.job': jobId }));
    this.#errors = directory.writePrivate('session-errors', '');
    this.#words = [...compose.args, '-p', project, '-f', file, '-f', labels];
  }

  get command(): string {
    return this.#options.compose.command;
  }

  /** Brings the images here, and starts what the first container is linked to (spec CI 6.2). */
  get pullArgs(): string[] {
    return [...this.#words, 'run', '--rm', '-T', this.#first, 'true'];
  }

  /** Starts the shell in the first container, which is called `name`, and attaches the terminal to it. */
  sessionCommand(name: string): { command: string; args: string[] } {
    const { compose, directory } = this.#options;
    const volumes = ['-v', `${this.#socket}:${usualSocket}`, '-v', `${directory.shared}:${directory.shared}:ro`];
    const words = [...this.#words, 'run', '--rm', '--name', name, ...volumes, this.#first, 'bash'];
    return { command: 'bash', args: ['-c', 'exec "$@" 2>"$0"', this.#errors, compose.command, ...words] };
  }

  /** Where `sessionCommand` puts what compose and docker have to say: it is not what the shell prints. */
  readErrors(): string {
    return readFileSync(this.#errors, 'utf8');
  }

  /** Id of the first container; undefined while it is not there. */
  async findContainer(name: string): Promise<string | undefined> {
    const { project, env } = this.#options;
    const filters = [`label=com.docker.compose.project=${project}`, `name=^/${name.replaceAll('.', '\\.')}$`];
    const answer = await callDocker(
      ['ps', '--all', '--quiet', ...filters.flatMap((filter) => ['--filter', filter])],
      env,
    );
    return answer.ok && answer.stdout !== '' ? answer.stdout : undefined;
  }

  /**
   * Ends and removes everything of the job. `graceMs`: what linked services get between TERM and KILL. What `down` leaves is removed
   * without it. Throws an Error when something stays.
   */
  async down(graceMs: number): Promise<void> {
    const { compose, project, env, logger } = this.#options;
    const seconds = String(Math.ceil(graceMs / 1000));
    const args = [...this.#words, 'down', '--volumes', '--remove-orphans', '--timeout', seconds];
    const down = await runQuietly(compose.command, args, env, AbortSignal.timeout(downMs + graceMs));
    if (down.exitCode !== 0) {
      const error = down.problem ?? (down.stderr.trim().split('\n').at(-1) || 'it did not end in time');
      logger.warn('docker compose could not take down the containers of the job: they are removed without it', {
        error,
      });
    }
    await removeProject(project, env, true);
  }

  get #first(): string {
    return this.#options.containers[0]?.name ?? '';
  }

  /** The engine's socket on this host. */
  get #socket(): string {
    return /^unix:\/\/(\/.*)$/.exec(this.#options.env['DOCKER_HOST'] ?? '')?.[1] ?? usualSocket;
  }

  #kvm(): boolean {
    const { exposeKvm, env, logger } = this.#options;
    if (!exposeKvm) return false;
    // Of another machine nothing is known here.
    const isRemote = !engineName(env).startsWith('unix:');
    if (isRemote || existsSync(kvmDevice)) return true;
    logger.warn('The containers of the job do not get /dev/kvm: this host has none', {
      hint: 'Turn `expose-kvm-device` off, or virtualization on.',
    });
    return false;
  }
}

/** Why containers cannot be what the job wants, for people; undefined when all is well. */
export function problemOf(containers: readonly JobContainer[]): string | undefined {
  const seen = new Set<string>();
  for (const { name, image } of containers) {
    if (!/^[A-Za-z0-9._-]+$/.test(name))
      return `${JSON.stringify(name)} cannot be the name of a container: use letters, digits, ".", "_" and "-".`;
    if (seen.has(name)) return `Two containers of the job are called ${name}: give each a name of its own.`;
    if (image === '') return `The container ${name} has no image.`;
    seen.add(name);
  }
  return undefined;
}

/** Why the engine cannot be used; undefined when it answers. */
export async function engineProblem(
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(engineMs)]);
  const answer = await callDocker(['version', '--format', '{{.Server.Version}}'], env, patience);
  if (answer.ok) return undefined;
  // Docker asks the same at the end of what it says, but not on which host.
  const reason = answer.reason.replace(/[.\s]*(Is the docker daemon running\?)?\s*$/, '');
  return (
    `The Docker engine at ${engineName(env)} does not answer: ${reason}. ` +
    'Is it running on the host of the agent, and may the user of the agent use it?'
  );
}
