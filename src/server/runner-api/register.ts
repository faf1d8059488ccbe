import { json, problem, type Reply, type RequestContext } from '../../http/index.ts';
import { UserError } from '../../lib/index.ts';
import { decodeRegistration, type Registration } from '../../protocol/ui/index.ts';
import type { Core } from '../core.ts';
import { createRunner } from '../runners.ts';
import type { RunnerRecord } from '../store/records.ts';
import { hashToken, oneTimePrefix, sameHash, tokenForAttempt } from '../store/tokens.ts';
import { findByToken } from './authenticate.ts';

/** POST: a runner registers with the shared token, or claims the place that a one-time token names (spec 3.4). */
export async function register(core: Core, sharedToken: () => string, context: RequestContext): Promise<Reply> {
  const registration = readRegistration(await context.body());
  if (!registration) return problem(400, 'Invalid format');
  const token = tokenForAttempt(context.headers['idempotency-key'], registration.registrationToken);
  // The answer to an earlier request was lost.
  if (findByToken(core, token)) return json({ token });
  const runner = registration.registrationToken.startsWith(oneTimePrefix)
    ? claim(core, registration.registrationToken, token)
    : create(core, sharedToken(), registration, token);
  if (runner === undefined) return problem(400, 'Invalid registration token');
  if (typeof runner === 'string') return problem(400, runner);
  core.logger.info('Runner registered', {
    context: 'runners',
    runner_id: runner.id,
    name: runner.name,
    tags: runner.tags.join(','),
  });
  core.events.opportunity.emit('runner registered');
  return json({ token });
}

function readRegistration(body: Buffer): Registration | undefined {
  try {
    return decodeRegistration(body);
  } catch (error: unknown) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

function create(
  core: Core,
  shared: string,
  registration: Registration,
  token: string,
): RunnerRecord | string | undefined {
  const { registrationToken, projectId, name, tags, webhook, maxParallelTasks } = registration;
  if (shared === '' || !sameHash(hashToken(shared), hashToken(registrationToken))) return undefined;
  if (projectId !== undefined && !core.catalog.projects.has(projectId)) return `There is no project ${projectId}`;
  // Active whatever it says of itself: whoever has the token may work (spec 8.2), and an administrator can still disable it.
  return createRunner(core, { name: name ?? '', tags, projectId, webhook, maxParallelTasks, token });
}

/** All other fields that were posted do not count: the place was described when it was made. */
function claim(core: Core, oneTimeToken: string, token: string): RunnerRecord | undefined {
  const hash = hashToken(oneTimeToken);
  const now = core.clock.now();
  const place = [...core.store.runners()].find(
    ({ registration }) =>
      registration !== undefined && sameHash(registration.tokenHash, hash) && now < Date.parse(registration.expires),
  );
  return place && core.store.changeRunner(place.id, { tokenHash: hashToken(token), registration: undefined });
}
