import { randomBytes } from 'node:crypto';
import { afterAll } from 'vitest';
import { docker } from './docker.ts';

/** A name for containers, networks, volumes, compose projects, that nothing else has: `semaphore-test-<what>-<random>`. */
export function uniqueName(what: string): string {
  return `semaphore-test-${what}-${randomBytes(5).toString('hex')}`;
}

/** A unique name whose things are removed when the tests of the file (or of the `describe` around) have ended, also after failures. */
export function dockerNames(what: string): string {
  const name = uniqueName(what);
  afterAll(() => removeDockerThings(name), 120_000);
  return name;
}

/**
 * Removes all containers, networks, volumes and images whose name contains `name` (of an image: its repository or tag), and those with a
 * label of the value `name`, such as `com.docker.compose.project`.
 */
export async function removeDockerThings(name: string): Promise<void> {
  if (name.length < 8)
    throw new Error(`'${name}' is too short to be the name of one test: others' things would be removed`);
  const networkFormat = '{{.ID}} {{.Name}} {{.Labels}}';
  await removeListed(
    ['ps', '--all', '--no-trunc', '--format', '{{.ID}} {{.Names}} {{.Labels}}'],
    ['rm', '--force', '--volumes'],
    name,
  );
  await removeListed(['network', 'ls', '--format', networkFormat], ['network', 'rm'], name);
  await removeListed(['volume', 'ls', '--format', '{{.Name}} {{.Labels}}'], ['volume', 'rm', '--force'], name);
  await removeListed(['images', '--format', '{{.Repository}}:{{.Tag}}'], ['rmi', '--force'], name);
}

async function removeListed(list: string[], remove: string[], name: string): Promise<void> {
  const lines = (await docker(list)).split('\n').filter((line) => line.includes(name));
  const ids = lines.map((line) => line.split(' ')[0] ?? '');
  for (const id of ids) {
    try {
      await docker([...remove, id]);
    } catch (error: unknown) {
      // What is gone meanwhile is as good as removed.
      if (!/no such|not found|already in progress/i.test(String(error))) throw error;
    }
  }
}
