import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { createWorld, type World, type WorldOptions } from '../support/e2e/world.ts';

/** Scripts for machines in trouble. Every one works without a disk of its own. */
const files = {
  'quick.sh': 'echo quick',
  // Goes on whenever a file appears that the test makes.
  'step.sh': [
    'wait_for() { until [ -e "$OUTPUT_DIRECTORY/$1" ]; do sleep 0.05; done; }',
    'echo began',
    'wait_for first; echo first',
    'wait_for second; echo second',
  ].join('\n'),
  'flood.sh': [
    'trap \'echo stopped >> "$OUTPUT_DIRECTORY/told"; exit 0\' TERM',
    'trap \'echo broken pipe >> "$OUTPUT_DIRECTORY/told"; exit 1\' PIPE',
    'n=0; while :; do n=$((n + 1)); echo "line $n"; done',
  ].join('\n'),
  'large.txt': incompressible(3_000_000),
};

/** Ids of the templates. */
export const templates = { quick: 1, step: 2, flood: 3 } as const;

function incompressible(length: number): string {
  let text = '';
  for (let seed = 1; text.length < length; seed = (seed * 48_271) % 2_147_483_647) text += seed.toString(36);
  return text;
}

export interface Place extends World {
  stateDir: string;
  /** Kills the server and starts it again. */
  restartServer(): Promise<void>;
}

export interface PlaceOptions {
  /** Where the state directory is; in the world's own directory when left out. */
  stateDir?: string;
  tmpPath?: string;
  runner?: WorldOptions['runner'];
}

/** A world with a running server, whose runner keeps its things where the test wants them. */
export async function worldAt(options: PlaceOptions): Promise<Place> {
  const template = (id: number, playbook: string) => ({
    id,
    name: playbook,
    app: 'bash',
    playbook,
    repository: 'main',
  });
  const world = await createWorld({
    files,
    project: { templates: Object.entries(templates).map(([name, id]) => template(id, `${name}.sh`)) },
    runner: { ...options.runner, ...(options.stateDir === undefined ? {} : { state_dir: options.stateDir }) },
  });
  const env = options.tmpPath === undefined ? {} : { SEMAPHORE_TMP_PATH: options.tmpPath };
  let server = await world.startServer();
  return {
    ...world,
    stateDir: options.stateDir ?? '',
    restartServer: async () => {
      server.child.kill('SIGKILL');
      await world.end(server);
      server = await world.startServer();
    },
    startRunner: (more = {}, log) => world.startRunner({ ...env, ...more }, log),
  };
}

export function jobsIn({ stateDir }: Place): string[] {
  const jobs = join(stateDir, 'jobs');
  return existsSync(jobs) ? readdirSync(jobs) : [];
}

/** Lets `step.sh` go on. */
export function say({ output }: World, name: 'first' | 'second'): void {
  writeFileSync(join(output, name), '');
}

/** The runner takes a task, and leaves nothing of it. */
export async function expectWorking(world: Place): Promise<void> {
  const id = await world.api.startTask(templates.quick);
  expect((await world.api.waitUntilFinished(id)).status).toBe('success');
  expect(await world.api.log(id)).toContain('quick');
  await expect.poll(() => jobsIn(world), { timeout: 30_000 }).toEqual([]);
}
