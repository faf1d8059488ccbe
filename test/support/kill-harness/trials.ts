import { messageOf } from '../../../src/lib/index.ts';
import type { World } from '../e2e/world.ts';
import { nameOfPoint } from './points.ts';
import { survive, undisturbed, type Disturbed, type End, type Outcome, type TaskUnderTest } from './survive.ts';

/** Trials that are made side by side: a task waits most of its time. */
const defaultLanes = 3;

/** A way to be killed, as often as the list is long, and what must come of it. */
export interface Trial {
  ends: readonly End[];
  /** What of the outcome is other than for the undisturbed task. */
  expected?: (reference: Outcome) => Partial<Outcome>;
  /** What is done otherwise. */
  task?: (world: World) => Partial<TaskUnderTest>;
  /** Complain when the runner did not come to its ends. @default false */
  mustReach?: boolean;
}

export interface TrialsOptions {
  /** A world of its own for every lane. */
  makeWorld: () => Promise<World>;
  taskIn: (world: World) => TaskUnderTest;
  /** The trials, chosen from what an undisturbed runner did. */
  choose: (trace: readonly string[]) => readonly Trial[];
  /** @default 3 */
  lanes?: number;
}

export interface TrialsResult {
  /** What an undisturbed task comes to. */
  reference: Outcome;
  /** For every trial that came to something else: how it was killed, and what was different. */
  complaints: string[];
  /** Runners that were killed. */
  kills: number;
}

/** Makes all trials and compares each with an undisturbed run of the same task. */
export async function makeTrials({
  choose,
  lanes = defaultLanes,
  makeWorld,
  taskIn,
}: TrialsOptions): Promise<TrialsResult> {
  const complaints: string[] = [];
  let kills = 0;
  const first = await openWorld(makeWorld);
  const { trace, ...reference } = await undisturbed(taskIn(first));
  const waiting = [...choose(trace)];
  const work = async (world: World): Promise<void> => {
    for (let trial = waiting.shift(); trial; trial = waiting.shift()) {
      const name = trial.ends.map(nameOfEnd).join(', then ');
      try {
        const { reached, ...outcome } = await survive({ ...taskIn(world), ...trial.task?.(world) }, trial.ends);
        kills += reached.filter(Boolean).length;
        const found = differences(outcome, { ...reference, ...trial.expected?.(reference) });
        if (trial.mustReach === true && !reached.every(Boolean)) found.push('the runner did not come there');
        if (found.length > 0) complaints.push([`${name}:`, ...found].join('\n  '));
      } catch (error: unknown) {
        complaints.push(`${name}: ${messageOf(error)}`);
      }
    }
  };
  const others = Array.from({ length: Math.min(lanes, waiting.length) - 1 }, async () =>
    work(await openWorld(makeWorld)),
  );
  await Promise.all([work(first), ...others]);
  return { reference, complaints, kills };
}

async function openWorld(makeWorld: () => Promise<World>): Promise<World> {
  const world = await makeWorld();
  await world.startServer();
  world.register();
  return world;
}

function nameOfEnd(end: End): string {
  if ('label' in end) return nameOfPoint(end);
  if ('status' in end) return `at the status ${end.status}`;
  return 'line' in end ? `at the line ${end.line}` : `after ${end.afterMs} ms`;
}

function differences(found: Omit<Disturbed, 'reached'>, wanted: Outcome): string[] {
  const keys = ['status', 'log', 'statuses', 'marks', 'left'] as const;
  return keys.flatMap((key) => {
    const [is, should] =
      key === 'statuses'
        ? [withoutRunning(found.statuses), withoutRunning(wanted.statuses)]
        : [found[key], wanted[key]];
    if (JSON.stringify(is) === JSON.stringify(should)) return [];
    if (key !== 'log') return [`${key} is ${JSON.stringify(is)} instead of ${JSON.stringify(should)}`];
    return [logDifference(found.log, wanted.log)];
  });
}

/** That it runs again may be over before a new runner can say so. */
function withoutRunning(statuses: readonly string[]): string[] {
  return statuses.filter((status) => status !== 'running');
}

/** Where a log leaves the way, and where it is on it again. */
function logDifference(is: readonly string[], should: readonly string[]): string {
  const start = is.findIndex((line, index) => line !== should[index]);
  const from = start === -1 ? is.length : start;
  let tail = 0;
  while (tail < Math.min(is.length, should.length) - from && is.at(-1 - tail) === should.at(-1 - tail)) tail += 1;
  const part = (lines: readonly string[]): string => JSON.stringify(lines.slice(from, lines.length - tail));
  return `log has, from line ${from + 1} of ${should.length}, ${part(is)} instead of ${part(should)}`;
}
