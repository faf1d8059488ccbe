import type { DockerExecutorConfig } from '../../config/index.ts';
import type { ContainerRole, ContainersRequest, ExecResult, OpenOptions } from '../containers/engine.ts';
import { containerArguments, containerName, volumeArguments } from './container-arguments.ts';
import { callDocker, type CallResult, type DockerCommand } from './docker-cli.ts';
import type { DockerContainers } from './docker-containers.ts';
import { ensureImage } from './ensure-image.ts';
import { execInContainer } from './exec-in-container.ts';
import { failure } from './failures.ts';
import { lookAt } from './look-at.ts';
import { quickMs, slowMs } from './time-outs.ts';

/** So often are containers made whose name is still in use by those that a killed runner was just making. */
const makeAttempts = 3;

/**
 * Gives both volumes to the user of the containers, and the user a name: ssh runs for nobody who has none. Run as root in each of them.
 */
const prepare =
  'chown "$1:$2" /workspace /secrets && chmod 0755 /workspace && chmod 0700 /secrets && ' +
  '{ cut -d: -f3 /etc/passwd 2>/dev/null | grep -qx "$1" || echo "semaphore:x:$1:$2:semaphore:/workspace:/bin/sh" >>/etc/passwd; } 2>/dev/null; :';

/** Why `docker-init` ended at once, by its exit code. */
const initWords: Readonly<Record<number, string>> = {
  1: 'exec /bin/sh: exec format error',
  126: 'exec /bin/sh: permission denied',
  127: 'exec /bin/sh: no such file or directory',
};

export interface OpenContainersOptions {
  docker: DockerCommand;
  engine: string;
  config: DockerExecutorConfig;
  /** Value of the runner's label. */
  owner: string;
  containers: DockerContainers;
}

/**
 * Makes volumes and containers of a task and starts them. Throws UserError, or the signal's reason; what it has made so far is left to
 * the caller.
 */
export class ContainersMaker {
  readonly #options: OpenContainersOptions;
  readonly #request: ContainersRequest;
  readonly #open: OpenOptions;

  constructor(options: OpenContainersOptions, request: ContainersRequest, open: OpenOptions) {
    this.#options = options;
    this.#request = request;
    this.#open = open;
  }

  async make(): Promise<void> {
    const { config, containers } = this.#options;
    const image = this.#request.image ?? config.image;
    // A process that was killed while it made them may have left some.
    await containers.remove(0);
    for (const each of new Set([image, config.helperImage])) await this.#ensure(each);
    const wholeOwner = await this.#makeBuild(image);
    await this.#run('helper', config.helperImage, wholeOwner);
    await this.#prepare('helper', wholeOwner);
  }

  /** Returns `uid:gid` of the image's user. */
  async #makeBuild(image: string): Promise<string> {
    for (const volume of ['workspace', 'secrets'] as const) {
      const task = { name: this.#request.name, taskId: this.#request.taskId, owner: this.#options.owner };
      await this.#call(`make a volume for ${volume}`, image, volumeArguments(task, volume));
    }
    await this.#run('build', image, undefined);
    const user = await this.#userOf(image);
    await this.#prepare('build', user);
    return user;
  }

  async #ensure(image: string): Promise<void> {
    const { config, docker, engine } = this.#options;
    const { say, signal } = this.#open;
    await ensureImage(image, { docker, engine, policy: config.pullPolicy, signal, say });
  }

  async #run(role: ContainerRole, image: string, user: string | undefined): Promise<void> {
    const { config, containers, owner } = this.#options;
    const { name, taskId } = this.#request;
    const args = containerArguments({ name, taskId, owner, role, image, user, config });
    const what = `start the ${role} container from ${image}`;
    for (let attempt = 1; ; attempt += 1) {
      const result = await this.#try(args);
      if (result.kind === 'ended' && result.code === 0) return;
      const inUse = result.kind === 'ended' && /is already in use/.test(result.stderr);
      if (!inUse || attempt === makeAttempts) throw failure({ what, engine: this.#options.engine, image }, result);
      await containers.remove(0);
    }
  }

  async #userOf(image: string): Promise<string> {
    const printed: Buffer[] = [];
    const result = await execInContainer(
      { ...this.#target('build'), user: undefined },
      {
        argv: ['/bin/sh', '-c', 'echo "$(id -u):$(id -g)"'],
        onStdout: (bytes) => printed.push(bytes),
        signal: AbortSignal.timeout(quickMs),
      },
    );
    const user = Buffer.concat(printed).toString('latin1').trim();
    if (/^\d+:\d+$/.test(user)) return user;
    const look = await lookAt(this.#options.docker, containerName(this.#request.name, 'build'));
    const why = look.kind === 'ended' ? initWords[look.code] : undefined;
    const call = why === undefined ? asCall(result) : { ...asCall(result), stderr: why };
    throw failure({ what: `use the image ${image}`, engine: this.#options.engine, image }, call);
  }

  async #prepare(role: ContainerRole, user: string): Promise<void> {
    const result = await execInContainer(
      { ...this.#target(role), user: '0:0' },
      { argv: ['/bin/sh', '-c', prepare, 'sh', ...user.split(':')], signal: AbortSignal.timeout(quickMs) },
    );
    if (result.kind === 'exited' && result.code === 0) return;
    throw failure({ what: `prepare the ${role} container`, engine: this.#options.engine }, asCall(result));
  }

  #target(role: ContainerRole) {
    const { config, docker } = this.#options;
    return { docker, role, container: containerName(this.#request.name, role), memoryLimit: config.memoryLimit };
  }

  async #call(what: string, image: string, args: readonly string[]): Promise<void> {
    const result = await this.#try(args);
    if (result.kind !== 'ended' || result.code !== 0)
      throw failure({ what, engine: this.#options.engine, image }, result);
  }

  /** Never broken off half way: what the engine has begun would appear after it was looked for. */
  async #try(args: readonly string[]): Promise<CallResult> {
    this.#open.signal.throwIfAborted();
    const result = await callDocker(this.#options.docker, args, { timeoutMs: slowMs });
    this.#open.signal.throwIfAborted();
    return result;
  }
}

function asCall(result: ExecResult): CallResult & { kind: 'ended' } {
  return result.kind === 'exited'
    ? { kind: 'ended', code: result.code, stdout: '', stderr: result.stderr }
    : { kind: 'ended', code: null, stdout: '', stderr: result.reason };
}
