import packageJson from '../../package.json' with { type: 'json' };
import { loadServerConfig } from '../config/index.ts';
import { createRouter, listen, type Router } from '../http/index.ts';
import { type Clock, lockDirectory, systemClock } from '../lib/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { apiGuard, loadAccess } from './access.ts';
import { buildCatalog } from './catalog/build.ts';
import { chooseDataDir } from './data-dir.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { Webhooks } from './dispatch/webhook.ts';
import { exposureWarnings, readTls, withListen } from './listening.ts';
import { narrate } from './narrate.ts';
import { openCore } from './open-core.ts';
import { quietRepeats } from './quiet-repeats.ts';
import { Reconciler } from './reconcile/reconciler.ts';
import { addRestApi } from './rest/routes.ts';
import { addRunnerApi } from './runner-api/routes.ts';
import { Scheduler } from './schedule/scheduler.ts';
import { TaskBoard } from './tasks/task-board.ts';
import { TaskStarter } from './tasks/task-starter.ts';

export interface StartServerOptions {
  configFile: string;
  /** Instead of the file's `listen`; port 0 takes a free one. */
  listen?: string | undefined;
  /** Instead of the file's `data_dir`. */
  dataDir?: string | undefined;
  logger: Logger;
  /** @default process.env */
  env?: Readonly<Record<string, string | undefined>>;
  /** @default the system's */
  clock?: Clock;
}

/** A server that is running. */
export interface RunningServer {
  /** Base URL that it listens on, without a trailing slash. */
  url: string;
  /** URL for runners elsewhere: `public_url`, else `url`. */
  publicUrl: string;
  /** A token of the API. */
  apiToken: string;
  registrationToken: string;
  /** Where generated tokens are; undefined when the server file has tokens of its own. */
  apiTokenFile: string | undefined;
  registrationTokenFile: string | undefined;
  configFile: string;
  dataDir: string;
  counts: { projects: number; templates: number; schedules: number; runners: number };
  /** What its owner should know. */
  warnings: readonly string[];
  /** Reads the server file again. Throws ConfigError, and goes on with the old one, when it cannot be used. */
  reload(): Promise<void>;
  /** Ends it: requests that are being served are finished, everything is stored. */
  close(): Promise<void>;
}

/** The largest bodies of the API are variables of a task. */
const maxApiBytes = 4 * 1024 * 1024;

/** A WebSocket gets every line of every log; so much may wait for one that is slow. */
const maxWebSocketBytes = 64 * 1024 * 1024;

/** Starts the embedded server (spec 8). Throws UserError or ConfigError; nothing is left running then. */
export async function startServer(options: StartServerOptions): Promise<RunningServer> {
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    return await start(options, closers, close);
  } catch (error: unknown) {
    await close();
    throw error;
  }
}

async function start(
  options: StartServerOptions,
  closers: (() => Promise<void>)[],
  close: () => Promise<void>,
): Promise<RunningServer> {
  const { logger, env = process.env, clock = systemClock } = options;
  const loaded = await loadServerConfig(options.configFile, env);
  const config = withListen(loaded.config, options.listen);
  const dataDir = await chooseDataDir({
    flag: options.dataDir,
    configured: config.dataDir,
    configFile: loaded.file,
    env,
  });
  const hint = 'Stop it, or name another directory with --data-dir.';
  const lock = await lockDirectory(dataDir, { who: 'server', hint });
  closers.push(() => lock.release());

  const core = await openCore({ dataDir, clock, logger, config }, closers);
  core.catalog = buildCatalog(loaded, core.store.ids);
  let access = await loadAccess(config, dataDir);

  const ending = new AbortController();
  const webhooks = new Webhooks(env);
  closers.push(() => webhooks.close());
  const board = new TaskBoard(core);
  closers.push(() => board.idle());
  const starter = new TaskStarter(core, board);
  const dispatcher = new Dispatcher(core, board, webhooks, ending.signal);
  const reconciler = new Reconciler(core, board);
  const scheduler = new Scheduler(core, starter);
  closers.push(() => dispatcher.idle());
  narrate(core);

  const complain = quietRepeats(clock, (message, fields) => logger.error(message, fields));
  const router: Router = createRouter({
    guard: apiGuard(() => access),
    maxBodyBytes: maxApiBytes,
    onError: (error, request) => complain('A request failed', { context: 'http', ...request, error }),
  });
  addRunnerApi(router, { core, board, reconciler, registrationToken: () => access.registrationToken });
  addRestApi(router, {
    core,
    board,
    starter,
    scheduler,
    reconciler,
    access: () => access,
    version: packageJson.version,
  });
  const listener = await listen({
    ...config.listen,
    router,
    webSocket: { maxBufferedBytes: maxWebSocketBytes },
    ...(config.tls ? { tls: await readTls(config.tls) } : {}),
  });
  closers.push(() => listener.close());

  // What a crash interrupted.
  dispatcher.run();
  const loops = [reconciler.run(ending.signal), scheduler.run(ending.signal)];
  closers.push(async () => {
    ending.abort();
    await Promise.all(loops);
  });

  return {
    url: listener.url,
    publicUrl: config.publicUrl ?? listener.url,
    apiToken: access.apiToken,
    registrationToken: access.registrationToken,
    apiTokenFile: access.apiTokenFile,
    registrationTokenFile: access.registrationTokenFile,
    configFile: loaded.file,
    dataDir,
    counts: {
      projects: core.catalog.projects.size,
      templates: core.catalog.templates.size,
      schedules: core.catalog.schedules.size,
      runners: [...core.store.runners()].length,
    },
    warnings: exposureWarnings(config),
    reload: async () => {
      const again = await loadServerConfig(options.configFile, env);
      const catalog = buildCatalog(again, core.store.ids);
      const next = { ...again.config, listen: core.config.listen, tls: core.config.tls, dataDir: core.config.dataDir };
      access = await loadAccess(next, dataDir);
      for (const key of ['listen', 'tls', 'dataDir'] as const) {
        if (JSON.stringify(again.config[key]) !== JSON.stringify(loaded.config[key])) {
          logger.warn('A change of the server file takes effect with the next start', { context: 'server', key });
        }
      }
      core.config = next;
      core.catalog = catalog;
      scheduler.reload();
      core.events.opportunity.emit('server file read again');
    },
    close,
  };
}
