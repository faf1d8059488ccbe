import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { JobDirectory } from '../execution/index.ts';
import { isTemporaryName, writeFileAtomicSync } from '../lib/index.ts';

/**
 * When the instance began that the server is to see, the header `X-Runner-Started-At` (spec 3.1): servers fail the tasks that
 * are older than the runner they run on (spec 8.4). As long as a task of an earlier process lives on, or has something to
 * deliver, it is that process's start; noted in the state directory, so that it may be the one before that, too.
 */
export function instanceStart(stateDir: string, jobsRoot: string, now: Date): Date {
  const path = join(stateDir, 'started-at');
  const earlier = JobDirectory.list(jobsRoot).length > 0 ? readTime(path) : undefined;
  if (earlier && earlier <= now) return earlier;
  writeFileAtomicSync(path, `${now.toISOString()}\n`);
  return now;
}

/** Removes what earlier processes of this runner were writing or removing when they were killed. Only for who holds the lock. */
export async function tidyState(stateDir: string, jobsRoot: string): Promise<void> {
  for (const name of readdirSync(stateDir).filter(isTemporaryName)) rmSync(join(stateDir, name), { force: true });
  await JobDirectory.removeUnfinished(jobsRoot);
}

function readTime(path: string): Date | undefined {
  try {
    const time = new Date(readFileSync(path, 'latin1').trim());
    return Number.isNaN(time.getTime()) ? undefined : time;
  } catch {
    // A version that noted nothing, or somebody tidied up: what is left is taken for new.
    return undefined;
  }
}
