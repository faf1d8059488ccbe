import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadRunnerConfig } from '../../src/config/index.ts';
import { systemClock, type Clock } from '../../src/lib/index.ts';
import { runRunner } from '../../src/runner/index.ts';
import { eventually, recordingLogger } from '../support/runner.ts';
import { bashJob, ScriptedServer } from '../support/scripted-server.ts';
import { tempDir } from '../support/temp-dir.ts';

const hour = 3_600_000;

/** The time of day as somebody sets it; waiting takes as long as ever. */
class SettableClock implements Clock {
  offset = 0;
  now(): number {
    return systemClock.now() + this.offset;
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(ms, signal);
  }
  random(): number {
    return systemClock.random();
  }
}

async function stage() {
  const directory = tempDir();
  const repository = join(directory, 'repository');
  mkdirSync(repository);
  const go = join(directory, 'go');
  const script = [
    `for n in 1 2 3; do echo "line $n"; until [ -e "${go}$n" ]; do sleep 0.02; done; done`,
    'echo done',
  ].join('\n');
  writeFileSync(join(repository, 'a.sh'), script);
  const server = new ScriptedServer();
  await server.listen();
  onTestFinished(() => server.close());
  const records: { time: string; message: string }[] = [];
  const take = server.take.bind(server);
  server.take = (body) => {
    const { Jobs } = JSON.parse(body) as { Jobs: { LogRecords: typeof records }[] | null };
    records.push(...(Jobs ?? []).flatMap((job) => job.LogRecords));
    return take(body);
  };
  const file = join(directory, 'runner.json');
  const runner = { token: 'the-runner-token', check_interval_seconds: 1 };
  const config = { web_host: server.url, tmp_path: join(directory, 'work'), runner };
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  const clock = new SettableClock();
  const loaded = await loadRunnerConfig({ configPath: file, env: { PATH: process.env['PATH'] }, cwd: directory });
  const drain = new AbortController();
  const cancel = new AbortController();
  const shutdown = { drain: drain.signal, cancel: cancel.signal, leave: new AbortController().signal };
  const ended = runRunner({ loaded, clock, shutdown, logger: recordingLogger().logger, stdout: () => undefined });
  onTestFinished(async () => {
    drain.abort('SIGTERM');
    cancel.abort('SIGTERM');
    await ended.catch(() => undefined);
  });
  return { server, repository, clock, records, drain, ended, go: (n: number) => writeFileSync(`${go}${n}`, '') };
}

describe('the time of day', () => {
  it.each([
    ['back', -hour],
    ['forward', hour],
  ])(
    'set %s while a task runs loses no line, runs no time backwards and keeps nothing waiting',
    async (_name, offset) => {
      const { server, repository, clock, records, go } = await stage();
      server.offer(1, bashJob(1, repository, 'a.sh'));
      await eventually(() => server.lines(1).includes('line 1'), 30_000);
      clock.offset = offset;
      const { polls } = server;
      go(1);
      await eventually(() => server.lines(1).includes('line 2'), 30_000);
      await eventually(() => server.polls > polls + 1, 30_000);
      clock.offset = 0;
      go(2);
      await eventually(() => server.lines(1).includes('line 3'), 30_000);
      go(3);
      await eventually(() => server.status(1) === 'success', 30_000);
      expect(server.lines(1)).toEqual(['Preparing: 1', 'line 1', 'line 2', 'line 3', 'done']);
      const times = records.map(({ time }) => time);
      expect(times).toEqual(times.toSorted());
      expect(new Set(times).size).toBe(times.length);
    },
  );

  it('set back while the server is away delays neither the next attempt nor the end', async () => {
    const { server, repository, clock, drain, ended, go } = await stage();
    server.offer(1, bashJob(1, repository, 'a.sh'));
    await eventually(() => server.lines(1).includes('line 1'), 30_000);
    server.fault = (_request, response) => {
      response.writeHead(503).end();
      return true;
    };
    for (const n of [1, 2, 3]) go(n);
    const { reports } = server;
    await eventually(() => server.reports > reports + 1, 30_000);
    clock.offset = -hour;
    server.fault = () => false;
    await eventually(() => server.status(1) === 'success', 60_000);
    drain.abort('SIGTERM');
    expect(await ended).toBe(0);
  });
});
