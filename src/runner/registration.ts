import { randomBytes, type KeyObject } from 'node:crypto';
import type { LoadedConfig } from '../config/index.ts';
import { type HttpTransport, shownServer } from '../http/index.ts';
import { RemoteError, systemClock, UserError, type Clock } from '../lib/index.ts';
import { probeServer, UiRunnerClient } from '../protocol/ui/index.ts';
import {
  ensureStorable,
  forgetToken,
  foundTokenHome,
  placeOf,
  storeToken,
  tokenHome,
  type TokenHome,
} from '../secrets/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { lingering, mayHaveArrived } from './lost-answer.ts';
import { openTransport } from './open-transport.ts';
import { ensurePrivateKey } from './private-key.ts';

export interface RegistrationOptions {
  loaded: LoadedConfig;
  registrationToken: string;
  env: Readonly<Record<string, string | undefined>>;
  /** A request that is on its way when it is aborted gets 5 seconds more: a token that is given out now must not be lost. */
  signal?: AbortSignal;
  /** Known to nobody else; a server that has it already gives the same token again. @default a new one */
  attemptKey?: string;
  clock?: Clock;
}

/** For a registration that is on its way when the runner is told to end, milliseconds. */
const lingerMs = 5000;

/** Time between two attempts of `start --register`, milliseconds (spec 1.4). */
const retryMs = 5000;

/**
 * Registers this runner (spec 1.3, 3.4) and keeps the token; returns where. Throws UserError, before the server is asked,
 * when the token could not be kept, and RemoteError when the server does not give one. Nothing comes between the answer
 * and keeping the token.
 */
export async function registerRunner(options: RegistrationOptions): Promise<TokenHome> {
  const { attemptKey = newAttemptKey(), clock = systemClock, loaded, registrationToken } = options;
  const { runner } = loaded.config;
  const home = tokenHome(loaded);
  await ensureStorable(home);
  const privateKey = runner.privateKeyFile === undefined ? undefined : await ensurePrivateKey(runner.privateKeyFile);
  options.signal?.throwIfAborted();
  await withClient(options, { privateKey }, async (client, clientFor) => {
    const { signal, done } = lingering(options.signal, lingerMs, clock);
    const { token } = await client
      .register(
        {
          registrationToken,
          webhook: runner.webhook,
          name: runner.name,
          tags: [...runner.tags],
          maxParallelTasks: runner.maxParallelTasks,
          enabled: runner.enabled,
          projectId: runner.projectId,
          publicKey: undefined,
        },
        { attemptKey, signal },
      )
      .catch((error: unknown) => {
        throw error instanceof RemoteError ? withLostAnswer(error) : error;
      })
      .finally(done);
    try {
      await storeToken(home, token);
    } catch (error: unknown) {
      // Nobody could ever use this runner; it must not stay on the server as one that never comes online.
      await clientFor(token)
        .unregister()
        .catch(() => undefined);
      throw error;
    }
  });
  return home;
}

export interface SelfRegistrationOptions extends RegistrationOptions {
  logger: Logger;
}

/**
 * Registers, trying every 5 seconds until the server accepts; one log line tells each new reason why it did not. Returns
 * false when `signal` was aborted first. Throws UserError when the token could not be kept.
 */
export async function selfRegister(options: SelfRegistrationOptions): Promise<boolean> {
  const { signal, clock = systemClock } = options;
  const logger = options.logger.child({ context: 'registration' });
  const attemptKey = newAttemptKey();
  let reason: string | undefined;
  logger.info('Registering a new runner', { server: shownServer(options.loaded.config.webHost ?? '') });
  for (;;) {
    try {
      const home = await registerRunner({ ...options, attemptKey });
      logger.info('Runner registered', { token_in: placeOf(home) });
      return true;
    } catch (error: unknown) {
      if (isAborted(signal)) return false;
      if (!(error instanceof RemoteError)) throw error;
      if (error.message !== reason) {
        reason = error.message;
        logger.error('Registration failed; trying again every 5 seconds', { error: reason, hint: error.hint });
      }
    }
    await clock.sleep(retryMs, signal).catch(() => undefined);
    if (isAborted(signal)) return false;
  }
}

/** The error with what may have become of the registration, when its answer was lost. */
function withLostAnswer(error: RemoteError): RemoteError {
  if (!mayHaveArrived(error)) return error;
  const { cause, endpoint, hint, kind, retryable, status } = error;
  const lost =
    'The server may have registered the runner all the same: remove there what never comes online; a one-time token (smrs_…) may be used up.';
  return new RemoteError(error.message, {
    cause,
    endpoint,
    kind,
    retryable,
    hint: hint === undefined ? lost : `${hint} ${lost}`,
    ...(status === undefined ? {} : { status }),
  });
}

function newAttemptKey(): string {
  return randomBytes(32).toString('base64url');
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

export interface UnregistrationOptions {
  loaded: LoadedConfig;
  env: Readonly<Record<string, string | undefined>>;
  signal?: AbortSignal;
}

export interface Unregistration {
  /** False when the server did not know the runner any more. */
  wasKnown: boolean;
  /** Where the token was removed from; undefined when it came from the environment. */
  forgotten: TokenHome | undefined;
}

/**
 * Deletes this runner on the server (spec 1.5, 3.8) and forgets its token. A server that does not know it is as good as one
 * that deleted it. Throws UserError when there is no token, RemoteError when the server refuses or is away.
 */
export async function unregisterRunner(options: UnregistrationOptions): Promise<Unregistration> {
  const { loaded, signal } = options;
  const { token } = loaded.config.runner;
  if (token === undefined) {
    throw new UserError('this runner is not registered: there is no token', {
      hint: 'Name the configuration it was registered with by --config.',
    });
  }
  const { wasKnown } = await withClient(options, { token }, async (client) => await client.unregister(signal));
  const home = foundTokenHome(loaded);
  if (home) await forgetToken(home);
  return { wasKnown, forgotten: home };
}

/**
 * Asks the server whether it accepts the token, by a progress report without content: unlike the question for tasks it does
 * not make the server believe that the runner has started. Throws RemoteError when it does not.
 */
export async function checkToken(options: UnregistrationOptions & { token: string }): Promise<void> {
  await withClient(options, { token: options.token }, async (client) => {
    await client.report('{"Jobs":null}', options.signal);
  });
}

/** Asks whether there is a Semaphore server at `web_host`. Throws RemoteError that tells what is there instead. */
export async function checkServer(options: UnregistrationOptions): Promise<void> {
  await withTransport(options, async (transport, webHost) => {
    const { requestTimeoutMs } = options.loaded.config.runner.connection;
    await probeServer({ transport, webHost, timeoutMs: requestTimeoutMs }, options.signal);
  });
}

type ClientFor = (token: string | undefined) => UiRunnerClient;

interface Identity {
  token?: string;
  privateKey?: KeyObject | undefined;
}

async function withClient<T>(
  options: UnregistrationOptions,
  { token, privateKey }: Identity,
  use: (client: UiRunnerClient, clientFor: ClientFor) => Promise<T>,
): Promise<T> {
  const { requestTimeoutMs: timeoutMs } = options.loaded.config.runner.connection;
  return await withTransport(options, async (transport, webHost) => {
    const clientFor: ClientFor = (value) =>
      new UiRunnerClient({ transport, webHost, startedAt: new Date(), token: () => value, timeoutMs, privateKey });
    return await use(clientFor(token), clientFor);
  });
}

async function withTransport<T>(
  { loaded, env }: UnregistrationOptions,
  use: (transport: HttpTransport, webHost: string) => Promise<T>,
): Promise<T> {
  const { webHost, runner } = loaded.config;
  if (webHost === undefined) {
    throw new UserError('the URL of the server is not known', {
      hint: 'Set web_host in the configuration file, or SEMAPHORE_WEB_ROOT.',
    });
  }
  const transport = await openTransport(runner.connection, env);
  try {
    return await use(transport, webHost);
  } finally {
    transport.close();
  }
}
