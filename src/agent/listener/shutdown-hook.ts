import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { taskTagVariable, TaskProcesses } from '../../execution/index.ts';
import { messageOf } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { ShutdownReason } from './state.ts';
import type { ShutdownHookOptions } from './types.ts';

/** The original waits for ever; a hook that hangs would keep a machine that is meant to go. */
const timeLimitMs = 10 * 60_000;
/** Between TERM and KILL when the time is over. */
const graceMs = 10_000;
/** What a hook leaves running may hold its output open; it is let live, and not waited for. */
const drainMs = 2000;

export interface RunHookOptions extends ShutdownHookOptions {
  reason: ShutdownReason;
  logger: Logger;
  /** Ends the hook. */
  signal: AbortSignal;
  /** @default 10 minutes */
  limitMs?: number;
}

/**
 * Runs the shutdown hook (spec CI 2.10): `bash <path>` with the agent's environment and `SEMAPHORE_AGENT_SHUTDOWN_REASON`, its output
 * line by line in the agent's log. Whatever goes wrong is only logged. What a hook puts into the background lives on, unless it
 * had to be ended.
 */
export async function runShutdownHook(options: RunHookOptions): Promise<void> {
  const { path, logger, limitMs = timeLimitMs } = options;
  const tag = randomUUID();
  const processes = new TaskProcesses(tag);
  const limit = AbortSignal.timeout(limitMs);
  const ended = AbortSignal.any([limit, options.signal]);
  logger.info('Running the shutdown hook', { path });
  try {
    const child = start(options, tag);
    const outcome = await outcomeOf(child, ended, logger);
    if (outcome === undefined) {
      await endTree(child, processes);
      const why = limit.aborted ? `it took longer than ${limitMs / 1000} s` : 'the agent was told to end at once';
      logger.error('The shutdown hook was killed', { path, why });
    } else if (outcome === 0) logger.info('The shutdown hook has ended', { path });
    else logger.error('The shutdown hook has failed', { path, outcome });
  } catch (error: unknown) {
    logger.error('The shutdown hook cannot be run', { path, error: messageOf(error) });
  }
}

/** Windows has its own shell. */
export function hookCommand(path: string, platform: NodeJS.Platform = process.platform): [string, ...string[]] {
  return platform === 'win32' ? ['powershell', '-NoProfile', '-NonInteractive', path] : ['bash', path];
}

function start({ path, env, cwd, reason }: RunHookOptions, tag: string): ChildProcess {
  const [command, ...args] = hookCommand(path);
  return spawn(command, args, {
    cwd,
    env: { ...env, SEMAPHORE_AGENT_SHUTDOWN_REASON: reason, [taskTagVariable]: tag },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** The exit code or the name of a signal; undefined when it has to be ended. Rejects when the hook cannot be started. */
async function outcomeOf(
  child: ChildProcess,
  ended: AbortSignal,
  logger: Logger,
): Promise<number | string | undefined> {
  const outputs = [child.stdout, child.stderr].flatMap((stream) => (stream ? [logLines(stream, logger)] : []));
  const outcome = await new Promise<number | string | undefined>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
    if (ended.aborted) resolve(undefined);
    ended.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  if (outcome !== undefined) await Promise.race([Promise.all(outputs), delay(drainMs, undefined, { ref: false })]);
  child.stdout?.destroy();
  child.stderr?.destroy();
  return outcome;
}

async function logLines(stream: Readable, logger: Logger): Promise<void> {
  for await (const line of createInterface({ input: stream })) logger.info('The shutdown hook says', { line });
}

async function endTree(child: ChildProcess, processes: TaskProcesses): Promise<void> {
  if (child.pid === undefined) return;
  processes.signal('SIGTERM', child.pid);
  const over = Date.now() + graceMs;
  const runs = (): boolean => child.exitCode === null && child.signalCode === null;
  while (Date.now() < over && (runs() || processes.list().length > 0)) await delay(50);
  await processes.end();
}
