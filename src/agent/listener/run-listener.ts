import type { Clock } from '../../lib/index.ts';
import type { JobSlot } from './job-slot.ts';
import { Listener } from './listener.ts';
import { shutdownText } from './log-texts.ts';
import { failureFields, retry } from './retry.ts';
import { runShutdownHook } from './shutdown-hook.ts';
import type { ShutdownReason } from './state.ts';
import { isRefusal } from './sync-health.ts';
import type { ListenerOptions } from './types.ts';

/** Spec CI 2.8. */
const registerAttempts = 30;
const disconnectAttempts = 100;
const retryWaitMs = 1000;
/** Attempts that run into their time limit one after the other would take most of an hour. */
const disconnectPatienceMs = 5 * 60_000;

/** How long a job that was stopped may go on delivering its log, milliseconds: as long as the server lets it … */
const deliveryPatienceMs = 10 * 60_000;
/** … unless there is no server, */
const unableToSyncPatienceMs = 60_000;
/** or somebody waits at a terminal. */
const quitPatienceMs = 3000;
/** What the end of the tree and the teardown may take once the log was given up. */
const teardownPatienceMs = 15_000;

const ok = 0;
const failed = 1;
/** As a shell says of a program that Ctrl-C has ended. */
const quit = 130;

/**
 * `agent start` from registration to exit code (spec CI 2): registers, talks with the server until the end is ordered, stops a job
 * that still runs, waits for its log to be delivered, disconnects, runs the shutdown hook. Resolves with 0 after an
 * ordered end, 1 when the agent cannot register or was given up by the server, 130 when somebody at a terminal did not want to wait.
 */
export async function runListener(options: ListenerOptions): Promise<number> {
  const { signals, logger } = options;
  logger.info('Starting Agent');
  const registered = await register(options);
  if (registered !== 'registered') {
    if (signals.quit.aborted) return quit;
    return registered === 'interrupted' ? ok : failed;
  }

  const listener = new Listener(options);
  const ending = await listener.talk();
  if (ending.kind === 'quit') {
    logger.warn('Quitting at once');
    await endJob(listener.runningJob, quitPatienceMs, options);
    await disconnectOnce(options);
    return quit;
  }
  const { reason } = ending;
  const patienceMs = reason === 'UNABLE_TO_SYNC' ? unableToSyncPatienceMs : deliveryPatienceMs;
  await endJob(listener.runningJob, patienceMs, options, signals.quit);
  await disconnect(options);
  await runHook(reason, options);
  logger.info(shutdownText(reason));
  if (signals.quit.aborted) return quit;
  return reason === 'UNABLE_TO_SYNC' ? failed : ok;
}

async function register(options: ListenerOptions): Promise<'registered' | 'interrupted' | 'failed'> {
  const { api, registration, signals, clock, logger, onRegistered } = options;
  // A registration that is under way is not broken off by a signal: the server would keep an agent that nobody is.
  const attempts = {
    attempts: registerAttempts,
    waitMs: retryWaitMs,
    what: 'registration',
    signal: signals.interrupted,
  };
  try {
    const { name } = await retry({ ...attempts, clock, logger }, () => api.register(registration, signals.quit));
    onRegistered?.(name);
    logger.info('Registered', { name });
    return 'registered';
  } catch (error: unknown) {
    if (signals.interrupted.aborted) {
      logger.info('Interrupted before the agent was registered');
      return 'interrupted';
    }
    logger.error('Could not start agent: failed to register agent', failureFields(error));
    return 'failed';
  }
}

/** Stops a job that still runs, and waits until its tree has ended and its log is delivered, or the patience is over, or `cut`. */
async function endJob(
  slot: JobSlot | undefined,
  patienceMs: number,
  { clock, logger }: ListenerOptions,
  cut?: AbortSignal,
): Promise<void> {
  if (!slot) return;
  logger.warn('A job still runs and is stopped', { job: slot.id });
  slot.stop();
  if (await isOver(slot, patienceMs, clock, cut)) return;
  logger.error('The log of the job was not delivered in time', {
    job: slot.id,
    what_now: 'the next agent with the same state directory delivers what is left',
  });
  slot.abandon();
  if (!(await isOver(slot, teardownPatienceMs, clock))) logger.error('The job did not end in time', { job: slot.id });
}

/** False when the time is over, or `cut`, before the job is. */
async function isOver(slot: JobSlot, ms: number, clock: Clock, cut?: AbortSignal): Promise<boolean> {
  const done = new AbortController();
  const signal = cut ? AbortSignal.any([done.signal, cut]) : done.signal;
  const patience = clock.sleep(ms, signal).then(
    () => false,
    () => false,
  );
  const over = await Promise.race([slot.result.then(() => true), patience]);
  done.abort();
  return over;
}

/** Tells the server that this agent goes. One that does not know it need not be told. */
async function disconnect({ api, clock, logger, signals }: ListenerOptions): Promise<void> {
  const latest = clock.now() + disconnectPatienceMs;
  const isFinal = (error: unknown): boolean => isRefusal(error) || clock.now() > latest;
  const attempts = { attempts: disconnectAttempts, waitMs: retryWaitMs, what: 'disconnect', signal: signals.quit };
  try {
    await retry({ ...attempts, isFinal, clock, logger }, () => api.disconnect(signals.quit));
    logger.info('Disconnected');
  } catch (error: unknown) {
    if (isRefusal(error)) logger.info('The server has no such agent to disconnect');
    else logger.error('The agent could not disconnect', failureFields(error));
  }
}

async function disconnectOnce({ api, logger }: ListenerOptions): Promise<void> {
  try {
    await api.disconnect(AbortSignal.timeout(3000));
  } catch (error: unknown) {
    logger.warn('The agent could not disconnect', failureFields(error));
  }
}

async function runHook(reason: ShutdownReason, { shutdownHook, signals, logger }: ListenerOptions): Promise<void> {
  if (!shutdownHook || shutdownHook.path === '') return;
  await runShutdownHook({ ...shutdownHook, reason, logger, signal: signals.quit });
}
