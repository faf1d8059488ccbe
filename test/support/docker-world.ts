import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { ansibleImage, debianImage } from './docker/index.ts';
import { createWorld, type World, type WorldOptions } from './e2e/world.ts';
import { startGitHttp } from './git-http.ts';

export const gitLogin = { login: 'cloner', password: 'git-pass-5510' };

export interface DockerWorldOptions extends WorldOptions {
  /** Keys of `runner.executor.docker`. */
  docker?: Readonly<Record<string, unknown>>;
}

/**
 * A server and a runner whose tasks run in containers of the local engine, with the network of this machine: the repository is served
 * over HTTP on loopback, to whoever has the password. What is left on the engine is removed with the test.
 */
export async function createDockerWorld(options: DockerWorldOptions): Promise<World> {
  const { docker = {}, project, runner } = options;
  const world = await createWorld({
    serve: async (repository) => {
      const { origin } = await startGitHttp({ root: dirname(repository.bare), credentials: gitLogin });
      return { git_url: `${origin}/origin.git`, key: 'git' };
    },
    ...options,
    project: {
      ...project,
      keys: [{ name: 'git', type: 'login_password', ...gitLogin }, ...((project['keys'] ?? []) as unknown[])],
    },
    runner: {
      ...runner,
      executor: {
        type: 'docker',
        docker: {
          image: ansibleImage,
          helper_image: debianImage,
          pull_policy: 'never',
          network: 'host',
          poll_interval_seconds: 1,
          cleanup_grace_seconds: 2,
          ...docker,
        },
      },
    },
  });
  onTestFinished(() => {
    const things = thingsOf(world);
    for (const name of things.containers) quietly(['rm', '--force', '--volumes', name]);
    for (const name of things.volumes) quietly(['volume', 'rm', '--force', name]);
  });
  return world;
}

/** Containers and volumes of the runners of this world, by the label that their state directories hold. */
export function thingsOf({ directory }: World): { containers: string[]; volumes: string[] } {
  const work = join(directory, 'work');
  const filters = entries(work)
    .filter((name) => name.startsWith('.runner-'))
    .flatMap((name) => ownerIn(join(work, name)))
    .map((owner) => ['--filter', `label=semaphoreui.com/runner=${owner}`]);
  const list = (...args: string[]) =>
    filters.flatMap((filter) => dockerSync([...args, ...filter]).split('\n')).filter((line) => line !== '');
  return {
    containers: list('ps', '--all', '--format', '{{.Names}}'),
    volumes: list('volume', 'ls', '--format', '{{.Name}}'),
  };
}

/** The same as one list. */
export function leftOn(world: World): string[] {
  const { containers, volumes } = thingsOf(world);
  return [...containers, ...volumes];
}

export async function expectNothingOnEngine(world: World): Promise<void> {
  await expect.poll(() => leftOn(world), { timeout: 60_000, interval: 300 }).toEqual([]);
}

export function dockerSync(args: readonly string[]): string {
  return execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trimEnd();
}

function quietly(args: readonly string[]): void {
  try {
    dockerSync(args);
  } catch {
    // Gone meanwhile.
  }
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function ownerIn(stateDirectory: string): string[] {
  try {
    return [readFileSync(join(stateDirectory, 'containers-owner'), 'utf8').trim()];
  } catch {
    return [];
  }
}
