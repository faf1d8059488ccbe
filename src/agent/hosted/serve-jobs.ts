import { userAgentOf } from '../../protocol/ci/index.ts';
import { accessLine } from './access-log.ts';
import { createAuthentication } from './authenticate.ts';
import { createCallbacks } from './callbacks.ts';
import { openHttpsServer } from './https-server.ts';
import { JobDesk } from './job-desk.ts';
import { createHostedRouter } from './routes.ts';
import { loadTlsIdentity, fingerprints } from './tls-identity.ts';
import type { ServeJobsOptions } from './types.ts';

/** After a signal, for the callbacks of a job that was stopped and for whoever fetches its log, milliseconds. */
const farewellMs = 10_000;
/** For its processes to end when even that is not waited for; longer than from TERM to KILL. */
const quitMs = 15_000;

/**
 * Hosted mode from listening to exit code (spec CI 3): serves until a signal comes, then stops the job that runs, and still answers while
 * its teardown goes on, for at most ten seconds. Resolves with 0, or with 130 or 143 when a further signal did not let it wait.
 * Throws UserError when it cannot listen.
 */
export async function serveJobs(options: ServeJobsOptions): Promise<number> {
  const { authTokenSecret, transport, clock, logger, signals, tls, version } = options;
  const { isSelfSigned, ...identity } = await loadTlsIdentity(tls, clock.now());
  const giveUp = new AbortController();
  const desk = new JobDesk({
    buildJob: options.buildJob,
    callbacksOf: ({ callbacks }) =>
      createCallbacks({
        callbacks,
        transport,
        userAgent: userAgentOf(version),
        attempts: options.callbackAttempts,
        clock,
        giveUp: giveUp.signal,
        logger,
      }),
    giveUp: giveUp.signal,
    logger,
  });
  const authentication = createAuthentication(authTokenSecret, clock);
  const router = createHostedRouter({ desk, authentication, version, agentLogFile: options.agentLogFile, logger });
  const server = await openHttpsServer({
    host: options.host,
    port: options.port,
    identity,
    serve: (request, response) => {
      const startedMs = clock.now();
      // Go sends it with its error texts. One header set like this also makes all others readable for the access log.
      response.setHeader('x-content-type-options', 'nosniff');
      response.once('close', () => options.accessLog(accessLine(request, response, startedMs)));
      void router.serve(request, response);
    },
    onError: (error) => logger.error('A connection cannot be accepted', { error: error.message }),
  });
  try {
    logger.info('The agent is listening', { url: server.url });
    if (isSelfSigned) {
      logger.info('The certificate is made for this run, and nobody has signed it', fingerprints(identity.cert));
    }
    options.onListening?.({ url: server.url, port: server.port });
    await aborted(signals.interrupted, signals.quit);
    return await end(desk, giveUp, options);
  } finally {
    await server.close();
  }
}

/** Resolves with the exit code. */
async function end(
  desk: JobDesk,
  giveUp: AbortController,
  { clock, logger, signals }: ServeJobsOptions,
): Promise<number> {
  logger.info('The agent is shutting down', { job: desk.hasJob ? 'stopped if it still runs' : 'none' });
  const over = new AbortController();
  const ended = desk.end().finally(() => over.abort());
  const within = async (ms: number, cut: readonly AbortSignal[]): Promise<void> => {
    const patience = clock.sleep(ms, AbortSignal.any([over.signal, ...cut])).catch(() => undefined);
    await Promise.race([ended, patience]);
  };
  await within(farewellMs, [signals.quit]);
  giveUp.abort();
  await within(quitMs, []);
  if (!over.signal.aborted) logger.error('The job did not end in time');
  if (!signals.quit.aborted) return 0;
  return signals.quit.reason === 'SIGTERM' ? 143 : 130;
}

function aborted(...signals: readonly AbortSignal[]): Promise<void> {
  const any = AbortSignal.any([...signals]);
  return new Promise((resolve) => {
    if (any.aborted) return resolve();
    any.addEventListener('abort', () => resolve(), { once: true });
  });
}
