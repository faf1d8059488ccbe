import type { DockerExecutorConfig } from '../../config/index.ts';
import { UserError } from '../../lib/index.ts';
import { callDocker, type CallResult, type DockerCommand } from './docker-cli.ts';
import { failure } from './failures.ts';
import { quickMs } from './time-outs.ts';

/** Least time between two lines of progress, milliseconds. */
const progressMs = 15_000;

export interface EnsureImageOptions {
  docker: DockerCommand;
  engine: string;
  policy: DockerExecutorConfig['pullPolicy'];
  signal: AbortSignal;
  say: (line: string) => void;
}

/** Sees to it that the engine has `image`, as the pull policy says. Throws UserError, or the signal's reason. */
export async function ensureImage(image: string, options: EnsureImageOptions): Promise<void> {
  const { docker, engine, policy, signal } = options;
  if (policy !== 'always') {
    const look = await callDocker(docker, ['image', 'inspect', '--format', '{{.Id}}', image], {
      signal,
      timeoutMs: quickMs,
    });
    signal.throwIfAborted();
    if (look.kind === 'ended' && look.code === 0) return;
    if (!isMissing(look)) throw failure({ what: `look for the image ${image}`, engine, image }, look);
    if (policy === 'never') {
      throw new UserError(`Cannot use the image ${image}: ${engine} does not have it`, {
        hint: 'Bring it there (docker pull, docker load), or change runner.executor.docker.pull_policy from never.',
      });
    }
  }
  await pull(image, options);
}

async function pull(image: string, { docker, engine, say, signal }: EnsureImageOptions): Promise<void> {
  say(`Pulling image ${image}`);
  const progress = new PullProgress();
  let said = performance.now();
  const result = await callDocker(docker, ['pull', image], {
    signal,
    onStdout: (bytes) => {
      progress.add(bytes.toString('utf8'));
      if (performance.now() - said < progressMs || progress.text === undefined) return;
      said = performance.now();
      say(`Pulling image ${image}: ${progress.text}`);
    },
  });
  signal.throwIfAborted();
  if (result.kind !== 'ended' || result.code !== 0)
    throw failure({ what: `pull the image ${image}`, engine, image }, result);
  say(progress.isNew ? `Pulled image ${image}` : `Image ${image} is up to date`);
}

/** Reads what `docker pull` prints where it has no terminal: a line for each change of a layer. */
class PullProgress {
  #rest = '';
  readonly #layers = new Set<string>();
  readonly #done = new Set<string>();
  isNew = true;

  add(text: string): void {
    const lines = `${this.#rest}${text}`.split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const [, layer, state = ''] = /^([0-9a-f]{8,}): (.*)$/.exec(line) ?? [];
      if (layer !== undefined) this.#layers.add(layer);
      if (layer !== undefined && /^(Pull complete|Already exists)/.test(state)) this.#done.add(layer);
      if (line.startsWith('Status: Image is up to date')) this.isNew = false;
    }
  }

  get text(): string | undefined {
    return this.#layers.size === 0 ? undefined : `${this.#done.size} of ${this.#layers.size} layers`;
  }
}

function isMissing(result: CallResult): boolean {
  return result.kind === 'ended' && /No such image|No such object/i.test(result.stderr);
}
