import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ApiTask } from '../e2e/api.ts';
import type { RunningProgram } from '../e2e/program.ts';
import type { World } from '../e2e/world.ts';
import { aftermathOf, type Aftermath } from './aftermath.ts';
import type { KillPoint } from './points.ts';

/**
 * Runs one task and kills its runner at chosen points, as often as is asked for; then lets a last runner finish, and tells
 * what came of it, to be compared with what comes of the same task when nobody disturbs it.
 */

const killSwitch = join(import.meta.dirname, 'kill-switch.cjs');

/** How long one life of a runner may take, milliseconds; the machine may be busy. */
const patienceMs = 60_000;
/** Between two looks at the task, milliseconds. */
const lookMs = 40;

const finished = new Set(['success', 'error', 'stopped']);

export interface Outcome {
  status: string;
  /** The log as the server has it, without what differs from run to run. */
  log: string[];
  /** The statuses that the server wrote down, in order. */
  statuses: string[];
  /** Lines that the tool itself left in `<task id>.marks`: how often it began, what disturbed it, whether it came to its end. */
  marks: string[];
  left: Aftermath;
}

export interface Undisturbed extends Outcome {
  /** Labels of all points that the runner met. */
  trace: string[];
}

export interface Disturbed extends Outcome {
  /** For every end, whether the runner came there. */
  reached: boolean[];
}

/**
 * How a runner is killed: at a point, so many milliseconds after its start, or when the server has a line of the log with this
 * text, or this status.
 */
export type End = KillPoint | { afterMs: number } | { line: string } | { status: string };

export interface TaskUnderTest {
  world: World;
  template: number;
  fields?: Readonly<Record<string, unknown>>;
  /** What must be in no file afterwards. */
  secrets: readonly string[];
  /** What the user does: told again and again how the task is. */
  user?: (task: ApiTask) => Promise<void>;
  /** What the user does while no runner is there. */
  away?: (task: ApiTask) => Promise<void>;
}

/** Runs the task with a runner that nobody kills. */
export async function undisturbed(task: TaskUnderTest): Promise<Undisturbed> {
  const { world } = task;
  const trace = join(world.directory, 'trace');
  rmSync(trace, { force: true });
  const id = await begin(task);
  const runner = world.startRunner(environment(world, { KILL_TRACE: trace }));
  const outcome = await finish(task, id, runner);
  await endNow(world, runner);
  return { ...outcome, trace: readFileSync(trace, 'utf8').split('\n').slice(0, -1) };
}

/** Runs the task with one runner after the other, each of which comes to its end, and a last one that does not. */
export async function survive(task: TaskUnderTest, ends: readonly End[]): Promise<Disturbed> {
  const { world } = task;
  const id = await begin(task);
  const reached: boolean[] = [];
  for (const end of ends) {
    const runner = await oneLife(task, id, end);
    const outcome = runner && (await finish(task, id, runner));
    // Killed at the very last it may have passed for alive.
    const wasAlive = runner?.child.signalCode === null;
    if (runner) await endNow(world, runner);
    reached.push(!wasAlive);
    if (outcome && wasAlive) return { ...outcome, reached };
    await task.away?.(await world.api.task(id));
  }
  const last = world.startRunner();
  const outcome = await finish(task, id, last);
  await endNow(world, last);
  return { ...outcome, reached };
}

async function endNow(world: World, runner: RunningProgram): Promise<void> {
  runner.child.kill('SIGKILL');
  await world.end(runner);
}

/** Every task begins where nothing is known of its repository, and meets nothing of the one before. */
async function begin({ fields, template, world }: TaskUnderTest): Promise<number> {
  rmSync(join(world.directory, 'work'), { recursive: true, force: true });
  return await world.api.startTask(template, fields);
}

/** Undefined when the runner was killed; the runner when the task was over before that. */
async function oneLife(task: TaskUnderTest, id: number, end: End): Promise<RunningProgram | undefined> {
  const { world } = task;
  const runner = world.startRunner(environment(world, 'label' in end ? { KILL_AT: JSON.stringify(end) } : {}));
  const life = { isOver: false };
  void runner.ended.then(() => (life.isOver = true));
  const timer = 'afterMs' in end ? setTimeout(() => runner.child.kill('SIGKILL'), end.afterMs) : undefined;
  const deadline = Date.now() + patienceMs;
  while (!life.isOver && Date.now() < deadline) {
    const state = await world.api.task(id);
    if (finished.has(state.status)) {
      // What comes after the acknowledgement has points, too.
      await Promise.race([runner.ended, untilTidy(world, id)]);
      if (life.isOver) break;
      clearTimeout(timer);
      return runner;
    }
    await task.user?.(state);
    const hasLine = 'line' in end && (await world.api.log(id)).some((line) => line.includes(end.line));
    if (hasLine || ('status' in end && state.status === end.status)) runner.child.kill('SIGKILL');
    await delay(lookMs);
  }
  const ended = await world.end(runner);
  if (ended.signal !== 'SIGKILL') {
    throw new Error(`the runner ended by itself with ${ended.code} ${ended.signal}:\n${runner.output()}`);
  }
  return undefined;
}

/** Lets `runner` bring the task to its end. When that fails the runner is ended: the next task must not meet it. */
async function finish(task: TaskUnderTest, id: number, runner: RunningProgram): Promise<Outcome> {
  const { world } = task;
  const isFinished = async (state: ApiTask): Promise<boolean> => {
    if (finished.has(state.status)) return true;
    await task.user?.(state);
    return false;
  };
  const { status } = await world.api.waitUntil(id, isFinished, patienceMs).catch(async (error: unknown) => {
    await endNow(world, runner);
    throw error;
  });
  const left = await aftermathOf(world, task.secrets);
  return {
    status,
    log: (await world.api.log(id)).map((line) => withoutChance(line, id, world)),
    statuses: statusesOf(world, id),
    marks: marksOf(world, id),
    left,
  };
}

/** What loads the switch into a runner. */
export function environment(world: World, more: Readonly<Record<string, string>>): Record<string, string> {
  return { NODE_OPTIONS: `--require ${killSwitch}`, KILL_ROOTS: join(world.directory, 'work'), ...more };
}

async function untilTidy(world: World, id: number): Promise<void> {
  for (let look = 0; look < 200 && jobDirectory(world, id) !== undefined; look += 1) await delay(10);
  // And what the runner does after that.
  await delay(50);
}

/** The directory of a task below the state directory, while there is one. */
export function jobDirectory(world: World, id: number): string | undefined {
  const work = join(world.directory, 'work');
  const states = existsSync(work) ? readdirSync(work).filter((name) => name.startsWith('.runner-')) : [];
  return states.map((name) => join(work, name, 'jobs', String(id))).find((path) => existsSync(path));
}

/** Ids, names made up for one task, ports, and durations differ from task to task. */
function withoutChance(line: string, id: number, { directory }: World): string {
  return line
    .replaceAll(directory, '<directory>')
    .replaceAll(/\b127\.0\.0\.1:\d+/g, '127.0.0.1:<port>')
    .replaceAll(new RegExp(`(\\btask_|^Preparing: |^Task #)${id}\\b`, 'g'), '$1<id>')
    .replaceAll(/\b\d+(\.\d+)? ?(ms|s|seconds?)\b/g, '<time>')
    .replaceAll(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, '<uuid>');
}

function marksOf({ output }: World, id: number): string[] {
  try {
    return readFileSync(join(output, `${id}.marks`), 'utf8')
      .split('\n')
      .slice(0, -1);
  } catch {
    return []; // The tool was never started.
  }
}

function statusesOf({ directory }: World, id: number): string[] {
  const data = join(directory, '.semaphore-server/state');
  const lines = readdirSync(data)
    .filter((name) => /^journal-\d+\.jsonl$/.test(name))
    .flatMap((name) => readFileSync(join(data, name), 'utf8').split('\n').slice(0, -1));
  const statuses = lines.flatMap((line) => {
    const { k, v } = JSON.parse(line) as { k: string; v?: { id?: number; status?: string } };
    return k === 'task' && v?.id === id && v.status !== undefined ? [v.status] : [];
  });
  return statuses.filter((status, index) => status !== statuses[index - 1]);
}
