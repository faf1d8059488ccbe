import { createTransport, type HttpTransport } from '../../src/http/index.ts';
import { systemClock } from '../../src/lib/index.ts';
import { CiAgentClient, type JobRequest } from '../../src/protocol/ci/index.ts';
import { openJobLog, type OpenJobLogOptions, PushedLog, type PushOptions } from '../../src/agent/log/index.ts';
import { onTestFinished } from 'vitest';
import { memoryLogger, registration, startTestHub, type TestHub, type TestHubOptions } from '../ci-hub/index.ts';
import { tempDir } from '../support/temp-dir.ts';

export const sealToken = 'registration-token';

/** A job that the hub has given to an agent. */
export interface AssignedJob {
  hub: TestHub;
  transport: HttpTransport;
  client: CiAgentClient;
  request: JobRequest;
  /** What the hub has of the log. */
  lines: () => string[];
  /** The pushes of this log: `start_from=…` and status. */
  pushes: () => string[];
}

export async function assignJob(options: TestHubOptions = {}, job: Record<string, unknown> = {}): Promise<AssignedJob> {
  const hub = await startTestHub(options);
  const transport = await createTransport({ env: {} });
  onTestFinished(() => transport.close());
  const client = new CiAgentClient({
    transport,
    endpoint: hub.endpoint,
    noHttps: true,
    version: 'v9.9.9',
    registrationToken: hub.token,
  });
  await client.register(registration);
  const id = hub.enqueue(job);
  await client.sync({ state: 'waiting-for-jobs', jobId: '', jobResult: '', interruptedAt: 0 });
  return {
    hub,
    transport,
    client,
    request: await client.getJob(id),
    lines: () => hub.job(id).lines,
    pushes: () =>
      hub
        .exchanges()
        .filter(({ path }) => path === `/logs/${id}`)
        .map(({ query, status }) => `${query} ${status}`),
  };
}

export interface TestLogOptions
  extends Partial<Omit<OpenJobLogOptions, 'push' | 'request'>>, Partial<Pick<PushOptions, 'patienceMs' | 'abandon'>> {
  refresh?: PushOptions['refresh'];
}

/** The pushed log of a job, and what its agent says of it. */
export async function openPushed(
  job: Pick<AssignedJob, 'transport' | 'client' | 'request'>,
  options: TestLogOptions = {},
): Promise<{ log: PushedLog; said: string[]; state: string }> {
  const { patienceMs, abandon = new AbortController().signal, refresh, ...rest } = options;
  const said: string[] = [];
  const state = rest.state ?? tempDir('agent-state-');
  const log = await openJobLog({
    request: job.request,
    state,
    sealToken,
    upload: 'never',
    push: {
      transport: job.transport,
      userAgent: 'SemaphoreAgent/v9.9.9',
      refresh: refresh ?? ((signal) => job.client.refresh(signal)),
      abandon,
      patienceMs,
    },
    env: {},
    clock: systemClock,
    logger: { ...memoryLogger(said), debug: () => undefined },
    ...rest,
  });
  if (!(log instanceof PushedLog)) throw new Error('not a pushed log');
  return { log, said, state };
}

export function outputLine(output: string): string {
  return JSON.stringify({ event: 'cmd_output', timestamp: 1767225600, output });
}

export const finishedLine = '{"event":"job_finished","timestamp":1767225600,"result":"passed"}';
