import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Logger } from '../../telemetry/index.ts';
import type { Mount } from './compose-file.ts';

export interface MountPolicy {
  /** As the agent was told; a relative path is one below the agent's directory. */
  files: readonly Mount[];
  /** A file that is missing fails the job; else it is left out. */
  failOnMissing: boolean;
  cwd: string;
}

/** The files that the first container gets (spec CI 6.2); undefined when one is missing that may not be. */
export function resolveMounts(
  { files, failOnMissing, cwd }: MountPolicy,
  logger: Pick<Logger, 'warn' | 'error'>,
): Mount[] | undefined {
  const mounts: Mount[] = [];
  for (const { hostPath, destination } of files) {
    const path = resolve(cwd, hostPath);
    if (existsSync(path)) {
      mounts.push({ hostPath: path, destination });
    } else if (failOnMissing) {
      logger.error('A file that the agent is to give to its jobs is missing: the job fails', {
        file: path,
        hint: 'Put it there, or take it out of `files`; without `fail-on-missing-files` jobs go on without it.',
      });
      return undefined;
    } else {
      logger.warn('A file that the agent is to give to its jobs is missing: the job goes on without it', {
        file: path,
      });
    }
  }
  return mounts;
}
