import type { AgentOptions } from '../../config/index.ts';
import type { KubernetesJobs } from '../../executors/index.ts';
import type { HttpTransport } from '../../http/index.ts';
import type { Clock } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { createJob } from '../job/create-job.ts';
import type { StartJob } from '../listener/index.ts';
import { openJobLog, uploadPolicyOf } from '../log/index.ts';

export interface SelfHostedJobsOptions {
  options: AgentOptions;
  /** Where logs are kept until they are delivered. */
  state: string;
  transport: HttpTransport;
  userAgent: string;
  refresh: (signal: AbortSignal) => Promise<string>;
  /** Set when jobs run in pods. */
  kubernetes: KubernetesJobs | undefined;
  env: Readonly<Record<string, string>>;
  cwd: string;
  clock: Clock;
  logger: Logger;
}

/** How an agent that is self-hosted runs a job: its log is pushed, its end is told by the next sync. */
export function selfHostedJobs(agent: SelfHostedJobsOptions): StartJob {
  const { options, state, transport, userAgent, refresh, kubernetes, env, cwd, clock } = agent;
  return async (request, { stop, abandon }) => {
    const logger = agent.logger.child({ job: request.jobId });
    const log = await openJobLog({
      request,
      state,
      sealToken: options.token,
      upload: uploadPolicyOf({
        mode: 'self-hosted',
        option: options.uploadJobLogs,
        variables: request.variables,
      }),
      push: { transport, userAgent, refresh, abandon },
      env,
      clock,
      logger,
    });
    let job;
    try {
      job = createJob({
        request,
        log,
        hooks: options.hooks,
        hostVariables: options.hostVariables,
        mode: 'self-hosted',
        maskSecrets: options.maskJobSecrets,
        kubernetes,
        compose: { files: options.files, failOnMissingFiles: options.failOnMissingFiles },
        env,
        cwd,
        clock,
        logger,
      });
    } catch (error: unknown) {
      await log.close({});
      throw error;
    }
    const result = await job(stop);
    logger.info('The job has ended', { result });
    return result;
  };
}
