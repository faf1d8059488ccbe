import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadRunnerConfig } from '../../src/config/index.ts';
import { runRunner } from '../../src/runner/index.ts';
import { eventually, recordingLogger, type LogLine } from '../support/runner.ts';
import { bashJob, ScriptedServer } from '../support/scripted-server.ts';
import { tempDir } from '../support/temp-dir.ts';

const old = 'the-old-runner-token';
const renewed = 'the-new-runner-token';

/** Says a secret of the task and both tokens before and after it was let go. */
const script = `#!/bin/bash
echo "begin $OLD"
while ! [ -e "$RELEASE" ]; do sleep 0.02; done
echo "on with $OLD and $NEW"
echo end
`;

/** A runner with a token file, and a server that accepts the tokens it is told to accept. */
async function stage() {
  const directory = tempDir();
  const repository = join(directory, 'repository');
  mkdirSync(repository);
  writeFileSync(join(repository, 'a.sh'), script, { mode: 0o755 });
  const server = new ScriptedServer();
  await server.listen();
  onTestFinished(() => server.close());
  const accepted = new Set([old]);
  const refused: string[] = [];
  server.fault = (request, response) => {
    const token = String(request.headers['x-runner-token']);
    if (accepted.has(token)) return false;
    refused.push(token);
    response.writeHead(401, { 'content-type': 'application/json' }).end('{"error":"Invalid token"}');
    return true;
  };
  const tokenFile = join(directory, 'token');
  const release = join(directory, 'release');
  writeFileSync(tokenFile, old, { mode: 0o600 });
  const file = join(directory, 'runner.json');
  const config = {
    web_host: server.url,
    tmp_path: join(directory, 'work'),
    env_vars: { RELEASE: release, OLD: old, NEW: renewed },
    runner: { token_file: tokenFile, stop_grace_seconds: 1 },
  };
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });

  const states = () => readdirSync(join(directory, 'work')).filter((name) => name.startsWith('.runner-'));
  const start = async () => {
    const loaded = await loadRunnerConfig({ configPath: file, env: { PATH: process.env['PATH'] }, cwd: directory });
    const drain = new AbortController();
    const cancel = new AbortController();
    const leave = new AbortController();
    const { logger, lines } = recordingLogger();
    const tokens: string[] = [];
    const ended = runRunner({
      loaded,
      logger,
      stdout: () => undefined,
      onToken: (token) => tokens.push(token),
      shutdown: { drain: drain.signal, cancel: cancel.signal, leave: leave.signal },
    });
    onTestFinished(async () => {
      drain.abort('SIGTERM');
      cancel.abort('SIGTERM');
      await ended.catch(() => undefined);
    });
    return { ended, lines, tokens, leave: () => leave.abort('SIGUSR2'), drain: () => drain.abort('SIGTERM') };
  };
  return {
    server,
    accepted,
    refused,
    start,
    offer: (id: number) => server.offer(id, bashJob(id, repository, 'a.sh')),
    renew: () => writeFileSync(tokenFile, `${renewed}\n`, { mode: 0o600 }),
    letGo: () => writeFileSync(release, ''),
    states,
    unlock: () => rmSync(join(directory, 'work', states()[0] ?? '', 'lock')),
  };
}

const complete = ['begin ***', 'on with *** and ***', 'end'];
const output = (server: ScriptedServer): string[] => server.lines(1).filter((line) => !line.startsWith('Preparing'));
const levels = (lines: readonly LogLine[], level: string): string[] =>
  lines.filter((line) => line.level === level).map(({ message }) => message);

describe('a new token in the token file', () => {
  it('is used from the next request on, while a task runs; neither token is in its log', async () => {
    const { server, accepted, offer, refused, renew, letGo, start } = await stage();
    offer(1);
    const runner = await start();
    await eventually(() => server.lines(1).includes('begin ***'), 30_000);
    accepted.add(renewed);
    renew();
    await eventually(() => server.headers.get('GET')?.['x-runner-token'] === renewed, 30_000);
    accepted.delete(old);
    letGo();
    await eventually(() => server.status(1) === 'success', 30_000);
    expect(output(server)).toEqual(complete);
    expect(refused.filter((token) => token !== old)).toEqual([]);
    expect(runner.tokens).toEqual([renewed]);
    expect(levels(runner.lines, 'info')).toContain(
      'The token of this runner has changed; the new one is used from now on',
    );
    expect(levels(runner.lines, 'error')).toEqual([]);
    runner.drain();
    expect(await runner.ended).toBe(0);
  });

  it.each(['file', 'server'])('loses nothing when it is made on one side first: %s', async (first) => {
    const { server, accepted, offer, refused, renew, letGo, start } = await stage();
    const onServer = (): void => {
      accepted.add(renewed);
      accepted.delete(old);
    };
    offer(1);
    const runner = await start();
    await eventually(() => server.lines(1).includes('begin ***'), 30_000);
    (first === 'file' ? renew : onServer)();
    await eventually(() => refused.length > 0, 30_000);
    const polls = server.polls;
    if (first === 'file') await eventually(() => server.polls > polls + 2, 30_000);
    (first === 'file' ? onServer : renew)();
    await eventually(() => server.headers.get('PUT')?.['x-runner-token'] === renewed, 30_000);
    letGo();
    await eventually(() => server.status(1) === 'success', 40_000);
    expect(output(server)).toEqual(complete);
    expect(levels(runner.lines, 'error')).toEqual([]);
    runner.drain();
    expect(await runner.ended).toBe(0);
  });

  it('lets the next runner go on with the task: its record can be read, its secrets are masked', async () => {
    const { server, accepted, offer, renew, letGo, start, states, unlock } = await stage();
    offer(1);
    const first = await start();
    await eventually(() => server.lines(1).includes('begin ***'), 30_000);
    accepted.add(renewed);
    renew();
    await eventually(() => server.headers.get('GET')?.['x-runner-token'] === renewed, 30_000);
    first.leave();
    await first.ended;
    // A runner that leaves holds its lock until its process is gone, which this one is not.
    unlock();
    accepted.delete(old);
    letGo();
    const second = await start();
    await eventually(() => server.status(1) === 'success', 30_000);
    expect(output(server)).toEqual(complete);
    expect(states()).toHaveLength(1);
    second.drain();
    await second.ended;
  });
});

describe('a revoked token', () => {
  it('ends the runner when no other one appears', async () => {
    const { accepted, server, start } = await stage();
    const { ended, lines } = await start();
    await eventually(() => server.polls > 0, 30_000);
    accepted.clear();
    expect(await ended).toBe(4);
    expect(levels(lines, 'error').length).toBeGreaterThan(0);
  });
});
