import { setTimeout as delay } from 'node:timers/promises';
import { callDocker } from './call-docker.ts';

type Env = Readonly<Record<string, string>>;

const projectLabel = 'com.docker.compose.project';

/** Lists what the engine has, with the answer's format, and removes some of it. In the order in which things let go of each other. */
const kinds = [
  { list: ['ps', '--all'], id: '{{.ID}}', remove: ['rm', '--force', '--volumes'] },
  { list: ['network', 'ls'], id: '{{.ID}}', remove: ['network', 'rm'] },
  { list: ['volume', 'ls'], id: '{{.Name}}', remove: ['volume', 'rm', '--force'] },
] as const;

/** What was asked for when its asker was killed may still be on its way: it is looked for again, milliseconds. */
const secondLookMs = 300;
const maxRounds = 5;

/** All compose projects that have anything on the engine. Throws an Error with what the engine said. */
export async function listProjects(env: Env): Promise<Set<string>> {
  const names = new Set<string>();
  for (const { list } of kinds) {
    const format = `{{.Label "${projectLabel}"}}`;
    const text = await ask([...list, '--filter', `label=${projectLabel}`, '--format', format], env);
    for (const name of text.split('\n')) if (name !== '') names.add(name);
  }
  return names;
}

/**
 * Removes all containers, networks and volumes of a project by their label, whether compose still knows them or not. With `again`,
 * until nothing new comes. Returns how much there was. Throws an Error with what the engine said.
 */
export async function removeProject(project: string, env: Env, again = false): Promise<number> {
  let removed = 0;
  for (let round = 0; round < maxRounds; round += 1) {
    if (round > 0) await delay(secondLookMs);
    const found = await removeOnce(project, env);
    removed += found;
    if (found === 0 && (round > 0 || !again)) break;
  }
  return removed;
}

async function removeOnce(project: string, env: Env): Promise<number> {
  let count = 0;
  for (const { list, id, remove } of kinds) {
    const text = await ask([...list, '--filter', `label=${projectLabel}=${project}`, '--format', id], env);
    const ids = text.split('\n').filter((line) => line !== '');
    if (ids.length === 0) continue;
    count += ids.length;
    const answer = await callDocker([...remove, ...ids], env);
    // What somebody else is removing just now is as good as gone.
    if (!answer.ok && !/no such|not found|already in progress/i.test(answer.reason)) throw new Error(answer.reason);
  }
  return count;
}

async function ask(args: readonly string[], env: Env): Promise<string> {
  const answer = await callDocker(args, env);
  if (!answer.ok) throw new Error(answer.reason);
  return answer.stdout;
}
