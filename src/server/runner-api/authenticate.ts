import { problem, type Reply, type RequestContext } from '../../http/index.ts';
import { type Core } from '../core.ts';
import type { RunnerRecord } from '../store/records.ts';
import { hashToken, sameHash } from '../store/tokens.ts';

/** The runner whose token a request carries, or the refusal (spec 3.2). */
export function authenticate(core: Core, context: RequestContext): { runner: RunnerRecord } | { refusal: Reply } {
  const header = context.headers['x-runner-token'];
  if (typeof header !== 'string' || header === '') return { refusal: problem(401, 'Invalid token') };
  const runner = findByToken(core, header);
  return runner ? { runner } : { refusal: problem(404, 'Runner not found') };
}

/** Looks at every runner, whichever matches, so that the time it takes tells nothing. */
export function findByToken(core: Core, token: string): RunnerRecord | undefined {
  const hash = hashToken(token);
  let found: RunnerRecord | undefined;
  for (const runner of core.store.runners()) {
    if (runner.tokenHash !== undefined && sameHash(runner.tokenHash, hash)) found = runner;
  }
  return found;
}

/** Start time of the runner's process, from `X-Runner-Started-At` (2.19 and newer). */
export function startedAt(context: RequestContext): string | undefined {
  const header = context.headers['x-runner-started-at'];
  const time = typeof header === 'string' ? Date.parse(header) : Number.NaN;
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}
