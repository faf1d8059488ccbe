import { onTestFinished } from 'vitest';
import { runListener, type ListenerOptions, type StartJob } from '../../src/agent/listener/index.ts';
import { createTransport, type HttpTransport } from '../../src/http/index.ts';
import type { Clock } from '../../src/lib/index.ts';
import { type AgentRegistration, CiAgentClient } from '../../src/protocol/ci/index.ts';
import type { Logger, LogFields } from '../../src/telemetry/index.ts';

export interface TestAgentOptions extends Partial<Pick<ListenerOptions, 'shutdownHook' | 'startJob'>> {
  /** Where the hub is, and its registration token. */
  hub: { endpoint: string; token: string };
  clock: Clock;
  registration?: Partial<AgentRegistration>;
}

/** A listener as `agent start` runs it, over real sockets; ended with the test. */
export interface TestAgent {
  exitCode: Promise<number>;
  /** Undefined while it runs. */
  code: () => number | undefined;
  /** As a SIGTERM. */
  interrupt(): void;
  /** As the third Ctrl-C. */
  quit(): void;
  /** `message {fields}`, without levels and times. */
  log: string[];
  api: CiAgentClient;
  transport: HttpTransport;
}

export const registration: AgentRegistration = {
  name: 'builder-eu-07',
  pid: 4711,
  os: 'Debian GNU/Linux 12 (bookworm)',
  arch: 'x86_64',
  hostname: 'eu-07',
  singleJob: false,
  idleTimeout: 0,
  interruptionGracePeriod: 0,
  jobId: '',
};

/** Jobs that are over at once. */
const passes: StartJob = async () => 'passed';

export async function startTestAgent(options: TestAgentOptions): Promise<TestAgent> {
  const transport = await createTransport({ env: {} });
  const { hub, clock, startJob = passes } = options;
  const api = new CiAgentClient({
    transport,
    endpoint: hub.endpoint,
    noHttps: true,
    version: 'v9.9.9',
    registrationToken: hub.token,
  });
  const interrupted = new AbortController();
  const quit = new AbortController();
  const log: string[] = [];
  let code: number | undefined;
  const exitCode = runListener({
    api,
    registration: { ...registration, ...options.registration },
    startJob,
    signals: { interrupted: interrupted.signal, quit: quit.signal },
    shutdownHook: options.shutdownHook,
    clock,
    logger: memoryLogger(log),
  })
    .then((ended) => (code = ended))
    .finally(() => transport.close());
  onTestFinished(async () => {
    interrupted.abort();
    quit.abort();
    await exitCode.catch(() => undefined);
  });
  return {
    exitCode,
    code: () => code,
    interrupt: () => interrupted.abort(),
    quit: () => {
      interrupted.abort();
      quit.abort();
    },
    log,
    api,
    transport,
  };
}

export function memoryLogger(lines: string[]): Logger {
  const write = (message: string, fields?: LogFields): void => {
    lines.push(fields === undefined ? message : `${message} ${JSON.stringify(fields)}`);
  };
  return { debug: write, info: write, warn: write, error: write, child: () => memoryLogger(lines) };
}

/** Waits until something holds. Throws after a while, with what was waited for. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 30_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 3))) {
    if (Date.now() > end) throw new Error(`did not come: ${what}`);
  }
}
