import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRunnerConfig, type LoadedConfig } from '../../src/config/index.ts';
import { RemoteError, systemClock, type Clock } from '../../src/lib/index.ts';
import { checkServer, checkToken, registerRunner, selfRegister } from '../../src/runner/index.ts';
import type { LogFields, Logger } from '../../src/telemetry/index.ts';
import { startRegisterServer } from '../support/register-server.ts';
import { tempDir } from '../support/temp-dir.ts';

async function load(runner: object, webHost: string, cwd = tempDir()): Promise<LoadedConfig> {
  writeFileSync(join(cwd, 'config.json'), JSON.stringify({ web_host: webHost, runner }), { mode: 0o600 });
  return await loadRunnerConfig({ env: {}, cwd });
}

/** Keeps what is logged, fields of children included. */
function memoryLogger(lines: string[] = [], own: LogFields = {}): Logger {
  const log = (level: string) => (message: string, fields?: LogFields) => {
    const { error, hint: _, ...rest } = { ...own, ...fields };
    lines.push(
      [level, message, error, rest['context']].flatMap((part) => (typeof part === 'string' ? part : [])).join(' | '),
    );
  };
  return {
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    child: (fields) => memoryLogger(lines, { ...own, ...fields }),
  };
}

/** A clock whose waits are over at once; counts them. */
function quickClock(): Clock & { waits: number[] } {
  const waits: number[] = [];
  return {
    ...systemClock,
    waits,
    sleep: async (ms, signal) => {
      waits.push(ms);
      signal?.throwIfAborted();
    },
  };
}

describe('self-registration', () => {
  it('tries every 5 seconds until the server accepts, and tells each new reason once', async () => {
    const server = await startRegisterServer();
    const invalid = { status: 400, body: '{"error":"Invalid registration token"}' };
    const broken = { status: 500, body: '{"error":"Unexpected error"}' };
    server.refusals.push(invalid, invalid, invalid, broken, broken, invalid);
    const loaded = await load({}, server.url);
    const lines: string[] = [];
    const clock = quickClock();
    expect(await selfRegister({ loaded, registrationToken: 'good', env: {}, logger: memoryLogger(lines), clock })).toBe(
      true,
    );
    expect(clock.waits).toEqual([5000, 5000, 5000, 5000, 5000, 5000]);
    expect(lines).toEqual([
      'info | Registering a new runner | registration',
      'error | Registration failed; trying again every 5 seconds | the server refused the registration (400: Invalid registration token) | registration',
      'error | Registration failed; trying again every 5 seconds | the server refused the registration (500: Unexpected error) | registration',
      'error | Registration failed; trying again every 5 seconds | the server refused the registration (400: Invalid registration token) | registration',
      'info | Runner registered | registration',
    ]);
    expect(server.tokens.size).toBe(1);
    expect(readFileSync(loaded.file ?? '', 'utf8')).toContain('token-1=');
  });

  it('never asks for a token that could not be kept', async () => {
    const server = await startRegisterServer();
    const loaded = await loadRunnerConfig({ noConfig: true, env: { SEMAPHORE_WEB_ROOT: server.url }, cwd: '/' });
    const clock = quickClock();
    await expect(
      selfRegister({ loaded, registrationToken: 'good', env: {}, logger: memoryLogger(), clock }),
    ).rejects.toThrow(/no place to keep the token/);
    expect(server.requests).toEqual([]);
    expect(clock.waits).toEqual([]);
  });

  it('ends when it is told to, between two attempts and during one', async () => {
    const loaded = await load({}, 'http://127.0.0.1:1');
    const stop = new AbortController();
    const clock = { ...systemClock, sleep: async () => stop.abort() };
    expect(
      await selfRegister({
        loaded,
        registrationToken: 'good',
        env: {},
        logger: memoryLogger(),
        clock,
        signal: stop.signal,
      }),
    ).toBe(false);
    expect(
      await selfRegister({ loaded, registrationToken: 'good', env: {}, logger: memoryLogger(), signal: stop.signal }),
    ).toBe(false);
  });
});

describe('a token that cannot be stored although it looked possible', () => {
  it('is given back: the runner is deleted on the server', async () => {
    const server = await startRegisterServer();
    const cwd = tempDir();
    const loaded = await load({}, server.url, cwd);
    server.onRegistered = () => {
      rmSync(join(cwd, 'config.json'));
      mkdirSync(join(cwd, 'config.json'));
    };
    await expect(registerRunner({ loaded, registrationToken: 'good', env: {} })).rejects.toThrow(
      /cannot store the token in the configuration file/,
    );
    expect(server.requests.map(({ method, token }) => [method, token])).toEqual([
      ['POST', undefined],
      ['DELETE', 'token-1='],
    ]);
    expect(server.tokens.size).toBe(0);
  });
});

describe('questions to a server', () => {
  it('say whether it is one', async () => {
    const server = await startRegisterServer();
    await checkServer({ loaded: await load({}, `${server.url}/`), env: {} });
    await expect(checkServer({ loaded: await load({}, `${server.url}/elsewhere`), env: {} })).rejects.toThrow(
      RemoteError,
    );
    await expect(checkServer({ loaded: await load({}, 'http://127.0.0.1:1'), env: {} })).rejects.toThrow(/refused/);
  });

  it('say whether a token is known, without asking for tasks', async () => {
    const server = await startRegisterServer();
    server.tokens.add('mine');
    const loaded = await load({}, server.url);
    await checkToken({ loaded, env: {}, token: 'mine' });
    await expect(checkToken({ loaded, env: {}, token: 'other' })).rejects.toMatchObject({ kind: 'not_found' });
    expect(server.requests.map(({ method }) => method)).toEqual(['PUT', 'PUT']);
  });
});
