import { which } from '../../execution/index.ts';
import { messageOf, type Clock } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { isAbandoned, listDirectories, removeDirectory } from './job-directory.ts';
import { listProjects, removeProject } from './remove-project.ts';

export interface SweepOptions {
  /** The agent's. */
  env: Readonly<Record<string, string>>;
  clock: Pick<Clock, 'now'>;
  logger: Pick<Logger, 'info' | 'warn'>;
}

/**
 * Removes what agents of this host that were killed have left of their docker compose jobs: containers, with the shells in them,
 * networks, volumes, files. What belongs to an agent that lives is never touched. Never rejects.
 */
export async function sweepComposeJobs({ env, clock, logger }: SweepOptions): Promise<void> {
  const hasDocker = which('docker', env['PATH'] ?? '', '/').kind !== 'missing';
  const directories = listDirectories();
  let projects = new Set<string>();
  try {
    if (hasDocker) projects = await listProjects(env);
  } catch (error: unknown) {
    // A host that has the command need not have an engine: it matters only where something was left.
    const level = directories.some((name) => isAbandoned(name, clock.now())) ? 'warn' : 'info';
    logger[level]('What killed agents have left of docker compose jobs cannot be removed: no Docker engine answers', {
      error: messageOf(error),
    });
    return;
  }
  for (const project of new Set([...directories, ...projects])) {
    if (!isAbandoned(project, clock.now())) continue;
    try {
      const things = hasDocker ? await removeProject(project, env) : 0;
      await removeDirectory(project);
      logger.info('What a killed agent has left of a docker compose job is removed', { project, things });
    } catch (error: unknown) {
      logger.warn('What a killed agent has left of a docker compose job cannot be removed', {
        project,
        error: messageOf(error),
      });
    }
  }
}
