import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { JobDirectory } from '../execution/index.ts';
import { writeFileAtomicSync } from '../lib/index.ts';

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

function readTime(path: string): Date | undefined {
  try {
    const time = new Date(readFileSync(path, 'latin1').trim());
    return Number.isNaN(time.getTime()) ? undefined : time;
  } catch {
    // A version that noted nothing, or somebody tidied up: what is left is taken for new.
    return undefined;
  }
}
