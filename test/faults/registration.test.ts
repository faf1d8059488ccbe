import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRunnerConfig } from '../../src/config/index.ts';
import { registerRunner, selfRegister } from '../../src/runner/index.ts';
import { registrationToken, TestServer } from '../server/support/test-server.ts';
import * as faults from '../support/faults/faults.ts';
import { startOtherHost } from '../support/faults/other-host.ts';
import { FaultProxy, type Fault } from '../support/faults/proxy.ts';
import { FastClock } from '../support/faults/stage.ts';
import { eventually, recordingLogger } from '../support/runner.ts';
import { tempDir } from '../support/temp-dir.ts';

async function stage() {
  const server = await TestServer.start();
  const proxy = await FaultProxy.start(() => server.url);
  const directory = tempDir();
  const tokenFile = join(directory, 'token');
  const configPath = join(directory, 'runner.json');
  writeFileSync(configPath, JSON.stringify({ web_host: proxy.url, runner: { token_file: tokenFile, name: 'one' } }));
  const loaded = await loadRunnerConfig({ configPath, env: {}, cwd: directory });
  Object.assign(loaded.config.runner.connection, { requestTimeoutMs: 500 });
  const { logger, lines } = recordingLogger();
  const clock = new FastClock(50);
  const drain = new AbortController();
  return {
    server,
    proxy,
    directory,
    tokenFile,
    lines,
    drain,
    clock,
    once: (token = registrationToken) => registerRunner({ loaded, registrationToken: token, env: {}, clock }),
    register: (token = registrationToken) =>
      selfRegister({ loaded, registrationToken: token, env: {}, logger, clock, signal: drain.signal }),
    runners: async () => (await server.call('GET', '/api/runners')).json as { id: number; name: string }[],
    /** Whether the server knows the token that was kept. */
    works: async () => {
      const headers = { 'x-runner-token': readFileSync(tokenFile, 'utf8') };
      return (await fetch(`${server.url}/api/internal/runners`, { headers })).status === 200;
    },
  };
}

const all: readonly [string, Fault][] = [
  ['the connection is reset before', faults.reset()],
  ['the connection is reset after the server registered it', faults.reset({ stored: true })],
  ['an answer cut in the middle', faults.cutAnswer({ stored: true })],
  ['half a JSON', faults.halfJson({ stored: true })],
  ['an answer that never comes', faults.silence({ stored: true })],
  ['bytes that are no HTTP', faults.garbage({ stored: true })],
  ['500', faults.status(500)],
  ['502', faults.html(502, 'Bad Gateway')],
  ['503 with Retry-After', faults.status(503, { 'retry-after': '3' })],
  ['404', faults.html(404, 'Not Found')],
  ['HTML with 200', faults.html(200, 'Log in')],
  ['408', faults.status(408)],
  ['duplicate delivery, first answer', faults.twice(0)],
  ['duplicate delivery, second answer', faults.twice(1)],
];

describe('a registration that meets', () => {
  it.each(all)('%s is tried again, and leaves one runner with the token that was kept', async (_name, fault) => {
    const t = await stage();
    const order = t.proxy.inject(fault, { method: 'POST', times: 1 });
    expect(await t.register()).toBe(true);
    expect(order.hits).toBe(1);
    expect(await t.runners()).toMatchObject([{ name: 'one' }]);
    expect(await t.works()).toBe(true);

    // A one-time token claims its place all the same.
    const { id } = (await t.server.call('POST', '/api/runners', { name: 'place', registered: false })).json as {
      id: number;
    };
    const { registration_token: oneTime } = (await t.server.call('POST', `/api/runners/${id}/registration-token`))
      .json as { registration_token: string };
    const again = t.proxy.inject(fault, { method: 'POST', times: 1 });
    expect(await t.register(oneTime)).toBe(true);
    expect(again.hits).toBe(1);
    expect(await t.runners()).toMatchObject([{ name: 'one' }, { id, name: 'place' }]);
    expect(await t.works()).toBe(true);
  });
});

describe('a registration', () => {
  it('waits for a server that is away', async () => {
    const t = await stage();
    await t.proxy.down();
    const registered = t.register();
    await eventually(() => t.lines.some(({ level }) => level === 'error'));
    await t.clock.sleep(20_000);
    await t.proxy.up();
    expect(await registered).toBe(true);
    expect(await t.runners()).toHaveLength(1);
  });

  it('whose answer was lost says what may have become of it; one that never arrived does not', async () => {
    const t = await stage();
    t.proxy.inject(faults.reset({ stored: true }), { times: 1 });
    await expect(t.once()).rejects.toMatchObject({ hint: expect.stringContaining('may have registered the runner') });
    t.proxy.inject(faults.status(500), { times: 1 });
    await expect(t.once()).rejects.toMatchObject({ hint: undefined });
    await t.proxy.down();
    await expect(t.once()).rejects.toMatchObject({ hint: expect.not.stringContaining('registered') });
  });

  it('that is on its way when the runner is told to end keeps the token that arrives', async () => {
    const t = await stage();
    t.clock.factor = 1;
    const order = t.proxy.inject(faults.latency(60), { method: 'POST' });
    const registered = t.register();
    await eventually(() => order.hits === 1);
    t.drain.abort('SIGTERM');
    expect(await registered).toBe(true);
    expect(await t.works()).toBe(true);
  });

  it('that gets no answer does not hold up the end for long', async () => {
    const t = await stage();
    const order = t.proxy.inject(faults.silence(), { method: 'POST' });
    const registered = t.register();
    await eventually(() => order.hits === 1);
    t.drain.abort('SIGTERM');
    expect(await registered).toBe(false);
    expect(order.hits).toBe(1);
    expect(existsSync(t.tokenFile)).toBe(false);
  });

  it.runIf(process.getuid?.() !== 0)('whose token could not be kept is not sent', async () => {
    const t = await stage();
    chmodSync(t.directory, 0o500);
    await expect(t.register()).rejects.toThrow(/cannot store the token/);
    chmodSync(t.directory, 0o700);
    expect(t.proxy.requests).toEqual([]);
  });

  it('whose token file is a directory is not sent', async () => {
    const t = await stage();
    const configPath = join(t.directory, 'runner.json');
    writeFileSync(configPath, JSON.stringify({ web_host: t.proxy.url, runner: { token_file: t.directory } }));
    const loaded = await loadRunnerConfig({ configPath, env: {}, cwd: t.directory }).catch(() => undefined);
    if (loaded) {
      await expect(registerRunner({ loaded, registrationToken, env: {} })).rejects.toThrow(/cannot store the token/);
    }
    expect(t.proxy.requests).toEqual([]);
  });

  it('does not follow a redirect: the registration token stays here', async () => {
    const t = await stage();
    const other = await startOtherHost();
    t.proxy.inject(faults.redirect(307, `${other.url}/api/internal/runners`), { times: 1 });
    expect(await t.register()).toBe(true);
    expect(other.received).toEqual([]);
    expect(await t.runners()).toHaveLength(1);
  });
});
