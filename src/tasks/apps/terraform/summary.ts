import { stripVTControlCharacters } from 'node:util';
import type { TaskHost } from '../../types.ts';

/** How much of a step's output may follow the line with the numbers (outputs may be long), bytes. */
const searchedBytes = 1024 * 1024;

/** What an apply has done, for the last line of the log. */
export async function appliedSummary(host: TaskHost): Promise<string> {
  const counts = await lastMatch(host, 'apply', /(?:Apply|Destroy) complete! Resources: ([^.\n]+)\./g);
  return counts === undefined ? 'Summary: the plan was applied.' : `Summary: ${counts}.`;
}

/** What a plan would do, for the last line of the log of a task that only plans. */
export async function plannedSummary(host: TaskHost): Promise<string> {
  const counts = await lastMatch(host, 'plan', /^.*?Plan: (\d[^.\n]*)\./gm);
  return `Summary: planned, nothing applied: ${counts ?? 'no resource would change, but outputs would'}.`;
}

export const unchangedSummary = 'Summary: no changes, 0 added, 0 changed, 0 destroyed.';

async function lastMatch(host: TaskHost, key: string, pattern: RegExp): Promise<string | undefined> {
  const text = stripVTControlCharacters(await host.tail(key, searchedBytes));
  return [...text.matchAll(pattern)].at(-1)?.[1];
}
