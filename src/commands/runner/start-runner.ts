import { setFlagsFromString } from 'node:v8';
import {
  drainingText,
  findRegistrationToken,
  listenForShutdown,
  loadConfig,
  note,
  openLog,
  ownSecrets,
  print,
  type CommandConfig,
} from '../../cli/index.ts';
import type { GlobalFlags } from '../../cli/index.ts';
import { proxySecrets, shownServer, urlSecrets } from '../../http/index.ts';
import { restrictUmask } from '../../lib/index.ts';
import { withKeychainToken } from '../../secrets/index.ts';
import type { Logger } from '../../telemetry/index.ts';

export interface StartFlags extends GlobalFlags {
  register?: boolean;
  'registration-token-file'?: string | undefined;
  'stdin-registration-token'?: boolean;
}

/** `runner start`: registers if asked to and needed, then runs the runner. Returns the exit code. */
export async function startRunner(flags: StartFlags): Promise<number> {
  // Before the large libraries are loaded: halves what the HTTP client costs in memory.
  setFlagsFromString('--optimize-for-size');
  restrictUmask();
  const logger = await openLog(flags);
  // oxlint-disable-next-line house/no-env-spread -- a copy to read from: the first load takes the secrets out of the original
  const env = { ...process.env };
  const read = await loadConfig(flags, { env });
  for (const secret of connectionSecrets(read, env)) ownSecrets.add(secret);
  let loaded = await withKeychainToken(read);
  const { runRunner, selfRegister } = await import('../../runner/index.ts');
  const shutdown = listenForShutdown();
  try {
    if (flags.register === true && loaded.config.runner.token === undefined) {
      const registrationToken = await findRegistrationToken(flags, loaded);
      ownSecrets.add(registrationToken);
      const { drain: signal } = shutdown.signals;
      if (!(await selfRegister({ loaded, registrationToken, env: process.env, logger, signal }))) return 0;
      loaded = await withKeychainToken(await loadConfig(flags, { env }));
    }
    if (loaded.config.runner.token !== undefined) ownSecrets.add(loaded.config.runner.token);
    const server = loaded.config.webHost === undefined ? undefined : shownServer(loaded.config.webHost);
    logger.info('Configuration read', { file: loaded.file ?? 'none', server });
    for (const detail of loaded.warnings) logger.warn('Configuration is doubtful', { detail });
    warnOfEnvironment(read, logger);
    return await runRunner({
      loaded,
      logger,
      stdout: print,
      shutdown: shutdown.signals,
      onToken: (token) => ownSecrets.add(token),
      onDraining: (running) => {
        if (process.stderr.isTTY) note(drainingText(running));
      },
    });
  } finally {
    shutdown.release();
  }
}

/** What the log must not show, beside tokens. */
function connectionSecrets({ config }: CommandConfig, env: NodeJS.ProcessEnv): string[] {
  const { passphrase } = config.runner.connection.clientCertificate ?? {};
  const found = [...proxySecrets(env), ...urlSecrets(config.webHost ?? ''), passphrase ?? ''];
  // A shorter one would make the log unreadable, and is no secret.
  return found.filter(({ length }) => length >= 4);
}

function warnOfEnvironment({ environmentHidden, sensitiveEnv }: CommandConfig, logger: Logger): void {
  if (environmentHidden || sensitiveEnv.length === 0) return;
  logger.warn('Other processes of this user, tasks included, can read secrets in the environment of the runner', {
    variables: sensitiveEnv.join(','),
    hint: 'Give them in files (runner.token_file and others), or run tasks as another user (process.user).',
  });
}
