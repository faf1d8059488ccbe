import { setFlagsFromString } from 'node:v8';
import {
  drainingText,
  findRegistrationToken,
  listenForShutdown,
  loadConfig,
  note,
  openLog,
  print,
} from '../../cli/index.ts';
import type { GlobalFlags } from '../../cli/index.ts';

export interface StartFlags extends GlobalFlags {
  register?: boolean;
  'registration-token-file'?: string | undefined;
  'stdin-registration-token'?: boolean;
}

/** `runner start`: registers if asked to and needed, then runs the runner. Returns the exit code. */
export async function startRunner(flags: StartFlags): Promise<number> {
  // Before the large libraries are loaded: halves what the HTTP client costs in memory.
  setFlagsFromString('--optimize-for-size');
  process.umask(0o077);
  const secrets = new Set<string>();
  const logger = await openLog(flags, secrets);
  let loaded = await loadConfig(flags);
  const { runRunner, selfRegister } = await import('../../runner/index.ts');
  const shutdown = listenForShutdown();
  try {
    if (flags.register === true && loaded.config.runner.token === undefined) {
      const registrationToken = await findRegistrationToken(flags, loaded);
      secrets.add(registrationToken);
      const { drain: signal } = shutdown.signals;
      if (!(await selfRegister({ loaded, registrationToken, env: process.env, logger, signal }))) return 0;
      loaded = await loadConfig(flags);
    }
    if (loaded.config.runner.token !== undefined) secrets.add(loaded.config.runner.token);
    logger.info('Configuration read', { file: loaded.file ?? 'none', server: loaded.config.webHost });
    for (const detail of loaded.warnings) logger.warn('Configuration is doubtful', { detail });
    return await runRunner({
      loaded,
      logger,
      stdout: print,
      shutdown: shutdown.signals,
      onDraining: (running) => {
        if (process.stderr.isTTY) note(drainingText(running));
      },
    });
  } finally {
    shutdown.release();
  }
}
