import type { RunnerConfig } from '../config/index.ts';
import { Cgroups, type CgroupPlace } from '../execution/index.ts';
import { messageOf, UserError } from '../lib/index.ts';
import type { Logger } from '../telemetry/index.ts';

/**
 * The cgroups for tasks of the runner with this state directory, undefined when there are none. Throws UserError when limits are
 * set that nothing here could keep: a limit that is silently not there is worse than a runner that does not start. `places` are used
 * instead of what the system has.
 */
export async function openCgroups(
  { cgroup, limits }: RunnerConfig['runner'],
  stateDir: string,
  logger: Logger,
  places?: CgroupPlace[],
): Promise<Cgroups | undefined> {
  if (cgroup === 'off') return undefined;
  const opened = await Cgroups.open({ limits, owner: stateDir, ...(places ? { places } : {}) });
  if (opened instanceof Cgroups) return opened;
  if (Object.values(limits).some((limit) => limit !== undefined)) {
    throw new UserError(`Cannot keep runner.limits: ${opened.reason}.`, { hint: opened.hint });
  }
  logger.debug('Tasks have no cgroups', { reason: opened.reason });
  return undefined;
}

/** Removes the cgroups that a killed runner has left, but for those of the tasks with these tags. Never rejects. */
export async function removeLeftCgroups(
  cgroups: Cgroups | undefined,
  tags: ReadonlySet<string>,
  logger: Logger,
): Promise<void> {
  try {
    const removed = (await cgroups?.removeLeftovers(tags)) ?? 0;
    if (removed > 0) logger.info('Removed the cgroups that an earlier run left', { removed });
  } catch (error: unknown) {
    logger.error('Cannot remove cgroups', { error: messageOf(error) });
  }
}
