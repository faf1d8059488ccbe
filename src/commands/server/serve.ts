import { exitCodes, listenForShutdown, openLog, print, warn } from '../../cli/index.ts';
import type { GlobalFlags } from '../../cli/index.ts';
import { hideEnvironment, restrictUmask, UserError } from '../../lib/index.ts';
import { announcement, startServer } from '../../server/index.ts';

export interface ServeFlags extends GlobalFlags {
  listen?: string | undefined;
  'data-dir'?: string | undefined;
}

/** `server`. Returns the exit code when a signal has ended it. */
export async function serve(flags: ServeFlags): Promise<number> {
  if (flags['no-config']) throw new UserError('a server needs its file', { hint: 'Name it with --config.' });
  restrictUmask();
  const logger = await openLog(flags);
  const shutdown = listenForShutdown();
  try {
    const server = await startServer({
      configFile: flags.config ?? 'server.yaml',
      listen: flags.listen,
      dataDir: flags['data-dir'],
      logger,
    });
    // What the server needs of it has been read.
    hideEnvironment();
    for (const line of announcement(server)) print(line);
    for (const text of server.warnings) warn(text);
    const reload = (): void => {
      server.reload().then(
        () => logger.info('The server file was read again', { context: 'server', file: server.configFile }),
        (error: unknown) =>
          logger.error('The server file cannot be used; the old one stays in effect', { context: 'server', error }),
      );
    };
    process.on('SIGHUP', reload);
    await aborted(shutdown.signals.drain);
    process.off('SIGHUP', reload);
    logger.info('Ending', { context: 'server', signal: String(shutdown.signals.drain.reason) });
    await Promise.race([server.close(), aborted(shutdown.signals.cancel)]);
    return exitCodes.ok;
  } finally {
    shutdown.release();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
