import { loadAgentOptions } from '../../config/index.ts';
import type { Clock } from '../../lib/index.ts';
import type { JobResult } from '../../protocol/ci/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { JobView } from '../run/job-view.ts';
import { startAgent } from '../start/start-agent.ts';
import { type HubEvent, startHub } from './hub/index.ts';
import { eventText } from './event-text.ts';

/** A job request as a server would hand it out. */
export type PlaygroundJob = Readonly<Record<string, unknown>>;

export interface PlaygroundOptions {
  job: PlaygroundJob;
  /** Further jobs, until there are no more of them; undefined: only the one. */
  more?: AsyncIterable<PlaygroundJob> | undefined;
  /** @default 0, a free one */
  port?: number;
  /** Tells what goes on, a line at a time. */
  say: (line: string) => void;
  /** Shows the log of a job. */
  newView: () => JobView;
  /** Aborted by the first Ctrl-C: the job is stopped, and nothing follows. */
  drain: AbortSignal;
  /** Aborted by the second: at once. */
  cancel: AbortSignal;
  version: string;
  /** Of the agent: what jobs get. */
  env: Readonly<Record<string, string>>;
  cwd: string;
  /** Where the agent keeps logs until they are delivered. */
  stateDirectory: string;
  clock: Clock;
  logger: Logger;
}

/** Short, for people who look on; servers say 4 to 6 s. */
const nextSyncAfterMs = [300, 600] as const;

/**
 * Self-hosted mode on one machine, without an account: a hub, an agent that registers with it, and jobs that go from one to the other, each
 * step told. Resolves with the result of the last job when there are no more, or it was told to end.
 */
export async function runPlayground(options: PlaygroundOptions): Promise<JobResult> {
  const { say, newView, drain, cancel } = options;
  const views = new Map<string, JobView>();
  const waiting = new Map<string, (result: JobResult) => void>();

  function onEvent(event: HubEvent): void {
    if (event.kind === 'log') {
      const view = views.get(event.jobId) ?? newView();
      views.set(event.jobId, view);
      for (const line of event.lines) view.line(line);
      return;
    }
    const text = eventText(event);
    if (text !== undefined) say(text);
    if (event.kind === 'finished') waiting.get(event.jobId)?.(event.result);
  }

  const hub = await startHub({ port: options.port ?? 0, nextSyncAfterMs, onEvent });
  const agentEnded = new AbortController();
  try {
    say(`The hub listens on ${hub.url} and speaks the protocol of self-hosted agents. Another agent for it:`);
    say(`  semaphore agent start --endpoint ${hub.endpoint} --token ${hub.token} --no-https`);
    say('');
    const name = `playground-${process.pid}`;
    const agent = runAgent(name, hub, options).finally(() => agentEnded.abort());

    async function run(job: PlaygroundJob): Promise<JobResult> {
      const id = hub.enqueue(job);
      const onDrain = (): void => hub.stopJob(id);
      drain.addEventListener('abort', onDrain, { once: true });
      if (drain.aborted) onDrain();
      try {
        return await Promise.race([
          new Promise<JobResult>((resolve) => {
            waiting.set(id, resolve);
            // Stopped in the queue.
            if (hub.job(id).result !== undefined) resolve('stopped');
          }),
          whenAborted(agentEnded.signal).then((): JobResult => 'stopped'),
        ]);
      } finally {
        drain.removeEventListener('abort', onDrain);
        waiting.delete(id);
        views.delete(id);
      }
    }

    let result = await run(options.job);
    if (options.more && !drain.aborted && !agentEnded.signal.aborted) {
      const end = AbortSignal.any([drain, cancel, agentEnded.signal]);
      for await (const job of until(options.more, end)) result = await run(job);
    }
    hub.disable(name);
    const code = await agent;
    return code === 0 ? result : 'stopped';
  } finally {
    await hub.close();
  }
}

/** The agent as `agent start` runs it; what it says goes to its log. */
async function runAgent(
  name: string,
  hub: { endpoint: string; token: string },
  playground: PlaygroundOptions,
): Promise<number> {
  const { cancel, version, env, cwd, stateDirectory, clock, logger } = playground;
  const flags = { name, endpoint: hub.endpoint, token: hub.token, 'no-https': 'true', 'state-dir': stateDirectory };
  const options = await loadAgentOptions({
    flags: new Map(Object.entries(flags).map(([key, value]) => [key, [value]])),
    env: {},
    cwd,
  });
  const signals = { interrupted: cancel, quit: cancel };
  return await startAgent({ options, version, env, cwd, signals, clock, logger });
}

async function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** What comes until the signal. */
async function* until<Item>(items: AsyncIterable<Item>, signal: AbortSignal): AsyncGenerator<Item> {
  const iterator = items[Symbol.asyncIterator]();
  const ended = whenAborted(signal);
  while (!signal.aborted) {
    const next = await Promise.race([iterator.next(), ended]);
    if (!next || next.done === true) return;
    yield next.value;
  }
}
