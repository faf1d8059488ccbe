import { quoteWord, type JobCommand } from '../../executors/index.ts';
import type { JobHooks, JobMode } from '../types.ts';

/** What the pre-job hook is in this mode: hosted jobs always source it and fail with it (spec CI 5.12). */
export function preJobHook({ preJob }: JobHooks, mode: JobMode): JobHooks['preJob'] {
  if (!preJob || mode === 'run') return undefined;
  return mode === 'hosted' ? { ...preJob, source: true, failOnError: true } : preJob;
}

export function preJobCommand({ path, source, failOnError }: NonNullable<JobHooks['preJob']>): JobCommand {
  return {
    directive: `${source ? 'source' : 'bash'} ${quotePath(path)}`,
    alias: 'Running the pre-job hook configured in the agent',
    warning: failOnError
      ? 'The agent is configured to fail the job if the pre-job hook fails.'
      : 'The agent is configured to proceed with the job even if the pre-job hook fails.',
  };
}

/** Only self-hosted jobs have one. */
export function postJobCommand({ postJob }: JobHooks, mode: JobMode): JobCommand | undefined {
  if (!postJob || mode !== 'self-hosted') return undefined;
  return {
    directive: `bash ${quotePath(postJob.path)}`,
    alias: 'Running the post-job hook configured in the agent',
  };
}

/** The path is the shell's own business no further than a home directory at its beginning. */
function quotePath(path: string): string {
  const [, home = '', rest = ''] = /^(~\/)?(.*)$/s.exec(path) ?? [];
  return home + quoteWord(rest);
}
