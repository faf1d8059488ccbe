import * as z from 'zod';
import { UserError } from '../../lib/index.ts';
import { type AccessKey, accessKeySchema } from './access-key.ts';
import { type JobData, jobSchema } from './job.ts';
import { type TaskStatus, taskStatusSchema } from './status.ts';
import { anything, describeIssue, int, model, optionalFlag, optionalInt, wireObject } from './wire.ts';

/** What the server believes of a task that it does not hand out any more (spec 3.5 `CurrentJobs`). */
const currentJobSchema = model({ id: int, status: taskStatusSchema });

export type CurrentJob = z.output<typeof currentJobSchema>;

/** The answer to GET (spec 3.5), its entries not yet looked at: one bad entry must not lose the others. */
const runnerStateSchema = model(
  {
    currentJobs: anything,
    newJobs: anything,
    accessKeys: anything,
    clearCache: anything,
    cacheCleanProjectId: anything,
  },
  { currentJobs: 'CurrentJobs' },
);

/** The order to remove work directories (spec 3.5); read as one, lest an unreadable project id removes those of all projects. */
const cacheOrderSchema = model({ clearCache: optionalFlag, cacheCleanProjectId: optionalInt });

export interface RunnerState {
  currentJobs: CurrentJob[];
  newJobs: JobData[];
  /** Decrypted keys by id, for all new jobs together. */
  accessKeys: ReadonlyMap<number, AccessKey>;
  /** Work directories are to be removed: all, or those of one project. Delivered once. */
  clearCache: boolean;
  cacheCleanProjectId: number | undefined;
  /** One text per entry that was left out, or field that was ignored, because it could not be understood. Holds no values. */
  problems: string[];
}

const knownKeys = new Set(['currentjobs', 'new_jobs', 'access_keys', 'clear_cache', 'cache_clean_project_id']);

/**
 * Reads a server's answer to GET. Entries that cannot be understood are left out and named in `problems`.
 * Throws UserError when the whole is no such answer: not an object, or an object of something else.
 */
export function decodeRunnerState(json: unknown): RunnerState {
  const problems: string[] = [];
  const whole = wireObject.safeParse(json);
  if (!whole.success) throw new UserError('the answer is not a JSON object');
  const keys = Object.keys(whole.data);
  if (keys.length > 0 && !keys.some((key) => knownKeys.has(key.toLowerCase()))) {
    throw new UserError(
      `the answer has none of the expected keys (it has ${keys.slice(0, 5).join(', ').slice(0, 80)})`,
    );
  }
  const state = runnerStateSchema.parse(whole.data);
  const cache = cacheOrderSchema.safeParse(whole.data);
  if (!cache.success) problems.push(describeIssue(cache.error, 'answer'));
  return {
    currentJobs: entries('CurrentJobs', state.currentJobs, currentJobSchema, problems),
    newJobs: entries('new_jobs', state.newJobs, jobSchema, problems),
    accessKeys: keyEntries(state.accessKeys, problems),
    clearCache: cache.data?.clearCache ?? false,
    cacheCleanProjectId: cache.data?.cacheCleanProjectId,
    problems,
  };
}

function entries<Item>(
  name: string,
  wire: unknown,
  schema: z.ZodType<Item, Record<string, unknown>>,
  problems: string[],
): Item[] {
  if (wire === undefined) return [];
  if (!Array.isArray(wire)) {
    problems.push(`${name}: expected an array`);
    return [];
  }
  const items: Item[] = [];
  for (const [index, entry] of wire.entries()) {
    const result = schema.safeParse(entry);
    if (result.success) items.push(result.data);
    else problems.push(describeIssue(result.error, `${name}[${index}]${identify(entry)}`));
  }
  return items;
}

/** " (task 4711)" for an entry whose id can be seen, so that a problem can be followed on the server. */
function identify(entry: unknown): string {
  const outer = wireObject.safeParse(entry);
  if (!outer.success) return '';
  const inner = wireObject.safeParse(outer.data['task']);
  const id = inner.success ? inner.data['id'] : outer.data['id'];
  return typeof id === 'number' ? ` (task ${id})` : '';
}

function keyEntries(wire: unknown, problems: string[]): Map<number, AccessKey> {
  const keys = new Map<number, AccessKey>();
  if (wire === undefined) return keys;
  const whole = wireObject.safeParse(wire);
  if (!whole.success) {
    problems.push('access_keys: expected an object');
    return keys;
  }
  for (const [name, entry] of Object.entries(whole.data)) {
    const id = /^\d{1,15}$/.test(name) ? Number(name) : undefined;
    const result = accessKeySchema.safeParse(entry ?? {});
    if (id === undefined) problems.push(`access_keys: "${name.slice(0, 20)}" is not a key id`);
    else if (result.success) keys.set(id, { ...result.data, id });
    else problems.push(describeIssue(result.error, `access_keys.${id}`));
  }
  return keys;
}

export interface EncodableRunnerState {
  currentJobs: readonly { id: number; status: TaskStatus }[];
  newJobs: readonly JobData[];
  accessKeys: ReadonlyMap<number, AccessKey>;
  clearCache?: boolean;
  cacheCleanProjectId?: number | undefined;
}

/** The JSON text of a server's answer to GET (spec 3.5), for runners of every version (spec 8.2). */
export function encodeRunnerState(state: EncodableRunnerState): string {
  return JSON.stringify({
    CurrentJobs: state.currentJobs.map((job) => z.encode(currentJobSchema, job)),
    new_jobs: state.newJobs.map((job) => z.encode(jobSchema, job)),
    access_keys: Object.fromEntries(Array.from(state.accessKeys, ([id, key]) => [id, z.encode(accessKeySchema, key)])),
    ...(state.clearCache ? { clear_cache: true, cache_clean_project_id: state.cacheCleanProjectId } : {}),
  });
}
