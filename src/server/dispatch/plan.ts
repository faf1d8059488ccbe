import type { Catalog } from '../catalog/types.ts';
import type { RunnerRecord, TaskRecord } from '../store/records.ts';
import { isOnline } from './online.ts';

export interface PlanInput {
  /** Tasks that are not finished, in the order in which they came. */
  tasks: readonly TaskRecord[];
  /** Tasks for which a runner is being woken, and that runner: they count as assigned. */
  reserved: ReadonlyMap<number, number>;
  runners: readonly RunnerRecord[];
  catalog: Catalog;
  now: number;
  offlineTimeoutMs: number;
  /** A number in [0, 1). */
  random: () => number;
}

export type Decision =
  | { kind: 'assign'; task: TaskRecord; runner: RunnerRecord }
  /** No runner will ever take it as things stand; `reason` goes to its log. */
  | { kind: 'fail'; task: TaskRecord; reason: string };

/**
 * Which waiting tasks go to which runners now (spec 8.3). First come, first served: a task that has to wait (for a runner, for
 * another task of its template, for its project) does not hold up those behind it.
 */
export function plan(input: PlanInput): Decision[] {
  const load = new Load(input);
  const pools = new Pools(input);
  const decisions: Decision[] = [];
  for (const task of input.tasks) {
    if (task.status !== 'waiting' || task.runnerId !== undefined || input.reserved.has(task.id)) continue;
    const template = input.catalog.templates.get(task.templateId);
    if (!template) {
      decisions.push({
        kind: 'fail',
        task,
        reason: `The template "${task.template.name}" is no longer in the server file.`,
      });
      continue;
    }
    if (!template.allowParallelTasks && load.ofTemplate(template.id) > 0) continue;
    const limit = input.catalog.projects.get(template.projectId)?.maxParallelTasks ?? 0;
    if (limit > 0 && load.ofProject(template.projectId) >= limit) continue;

    const inventory = input.catalog.inventories.get(task.inventoryId ?? template.inventoryId ?? 0);
    const tag = template.runnerTag ?? inventory?.runnerTag;
    const pool = pools.of(task.projectId, tag);
    if (pool.size === 0) {
      decisions.push({ kind: 'fail', task, reason: noRunner(tag, input.runners) });
      continue;
    }
    const runner = pool.pick(load);
    if (!runner) continue;
    load.add(task, runner.id);
    decisions.push({ kind: 'assign', task, runner });
  }
  return decisions;
}

/** The runners for tasks of one project with one tag. Looked up once per plan, however many tasks wait. */
class Pool {
  readonly size: number;
  readonly #groups: readonly RunnerRecord[][];
  readonly #random: () => number;

  constructor(serving: readonly RunnerRecord[], { now, offlineTimeoutMs, random }: PlanInput) {
    this.size = serving.length;
    this.#random = random;
    const online = serving.filter((runner) => isOnline(runner, now, offlineTimeoutMs));
    this.#groups = [
      online.filter(({ projectId }) => projectId !== undefined),
      online.filter(({ projectId }) => projectId === undefined),
    ];
  }

  /** Any one that has room: of the runners of the project, else of those of all. Within a plan, room only shrinks. */
  pick(load: Load): RunnerRecord | undefined {
    for (const group of this.#groups) {
      while (group.length > 0) {
        const index = Math.floor(this.#random() * group.length);
        const runner = group[index];
        if (runner && load.hasRoom(runner)) return runner;
        group.splice(index, 1);
      }
    }
    return undefined;
  }
}

class Pools {
  readonly #input: PlanInput;
  readonly #known = new Map<string, Pool>();

  constructor(input: PlanInput) {
    this.#input = input;
  }

  of(projectId: number, tag: string | undefined): Pool {
    const key = JSON.stringify([projectId, tag]);
    const known = this.#known.get(key);
    if (known) return known;
    const serving = this.#input.runners.filter(
      (runner) =>
        runner.active &&
        runner.tokenHash !== undefined &&
        (runner.projectId === undefined || runner.projectId === projectId) &&
        (tag === undefined ? runner.isDefault : runner.tags.includes(tag)),
    );
    const pool = new Pool(serving, this.#input);
    this.#known.set(key, pool);
    return pool;
  }
}

/** Begins with the words of the original, for scripts that look for them. */
function noRunner(tag: string | undefined, runners: readonly RunnerRecord[]): string {
  const registered = runners.filter(({ tokenHash }) => tokenHash !== undefined).length;
  if (registered === 0) return 'no runners available: no runner is registered yet';
  const missing = tag === undefined ? 'takes tasks without a tag' : `has the tag "${tag}"`;
  return `no runners available: no active runner ${missing} (registered: ${registered})`;
}

/** How many tasks each template, project and runner has at the moment. */
class Load {
  readonly #templates = new Map<number, number>();
  readonly #projects = new Map<number, number>();
  readonly #runners = new Map<number, number>();

  constructor({ tasks, reserved }: PlanInput) {
    for (const task of tasks) {
      const runnerId = reserved.get(task.id) ?? task.runnerId;
      if (runnerId !== undefined) this.add(task, runnerId);
    }
  }

  add(task: TaskRecord, runnerId: number): void {
    increment(this.#templates, task.templateId);
    increment(this.#projects, task.projectId);
    increment(this.#runners, runnerId);
  }

  ofTemplate(id: number): number {
    return this.#templates.get(id) ?? 0;
  }

  ofProject(id: number): number {
    return this.#projects.get(id) ?? 0;
  }

  hasRoom(runner: RunnerRecord): boolean {
    return runner.maxParallelTasks === 0 || (this.#runners.get(runner.id) ?? 0) < runner.maxParallelTasks;
  }
}

function increment(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
