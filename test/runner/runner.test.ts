import { chmodSync, existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadRunnerConfig } from '../../src/config/index.ts';
import { systemClock } from '../../src/lib/index.ts';
import { runRunner } from '../../src/runner/index.ts';
import { eventually, recordingLogger } from '../support/runner.ts';
import { bashJob, ScriptedServer } from '../support/scripted-server.ts';
import { tempDir } from '../support/temp-dir.ts';

interface Options {
  runner?: Record<string, unknown>;
  scripts?: Record<string, string>;
}

/** A server in the hands of the test, a local repository, and a runner that can be started on them again and again. */
async function stage(options: Options = {}) {
  const directory = tempDir();
  const repository = join(directory, 'repository');
  mkdirSync(repository);
  for (const [name, text] of Object.entries(options.scripts ?? {})) {
    writeFileSync(join(repository, name), text);
    chmodSync(join(repository, name), 0o755);
  }
  const server = new ScriptedServer();
  await server.listen();
  onTestFinished(() => server.close());
  const file = join(directory, 'runner.json');
  const config = {
    web_host: server.url,
    tmp_path: join(directory, 'work'),
    runner: { token: 'the-runner-token', stop_grace_seconds: 1, ...options.runner },
  };
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });

  const start = async () => {
    const loaded = await loadRunnerConfig({ configPath: file, env: { PATH: process.env['PATH'] }, cwd: directory });
    const drain = new AbortController();
    const cancel = new AbortController();
    const leave = new AbortController();
    const { logger, lines } = recordingLogger();
    const said: string[] = [];
    const ended = runRunner({
      loaded,
      logger,
      stdout: (line) => said.push(line),
      shutdown: { drain: drain.signal, cancel: cancel.signal, leave: leave.signal },
    });
    let over = false;
    void ended.finally(() => (over = true)).catch(() => undefined);
    onTestFinished(async () => {
      drain.abort('SIGTERM');
      cancel.abort('SIGTERM');
      await ended.catch(() => undefined);
    });
    return {
      ended,
      isOver: () => over,
      drain: () => drain.abort('SIGTERM'),
      cancel: () => cancel.abort('SIGTERM'),
      lines,
      said,
    };
  };
  const jobsLeft = () => {
    const work = join(directory, 'work');
    const state = existsSync(work) ? readdirSync(work).find((name) => name.startsWith('.runner-')) : undefined;
    return state && existsSync(join(work, state, 'jobs')) ? readdirSync(join(work, state, 'jobs')) : [];
  };
  return { directory, repository, server, start, jobsLeft };
}

describe('the runner', () => {
  it('runs a task that is delivered many times once, and reports log, commit-less status and connection', async () => {
    const { repository, server, start, jobsLeft } = await stage({ scripts: { 'a.sh': 'echo one; echo two >&2' } });
    server.offer(1, bashJob(1, repository, 'a.sh'), 8);
    const { said } = await start();
    await eventually(() => server.polls >= 9, 20_000);
    expect(server.arrived.get(1)?.statuses.at(-1)).toBe('success');
    expect(server.lines(1)).toEqual(['Preparing: 1', 'one', 'two']);
    expect(said).toEqual(['Runner connected']);
    await eventually(() => jobsLeft().length === 0);
  });

  it('sends its token and the moment of its start, the same in every request', async () => {
    const { server, start } = await stage();
    await start();
    await eventually(() => server.polls >= 2 && server.reports >= 1);
    const started = server.headers.get('GET')?.['x-runner-started-at'];
    expect(started).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(server.headers.get('PUT')?.['x-runner-started-at']).toBe(started);
    expect(server.headers.get('PUT')?.['x-runner-token']).toBe('the-runner-token');
  });

  it('never runs more than max_parallel_tasks, and starts the next one as soon as a slot is free', async () => {
    const script = 'echo start $(date +%s%N); sleep 0.2; echo end $(date +%s%N)';
    const { repository, server, start } = await stage({
      scripts: { 'a.sh': script },
      runner: { max_parallel_tasks: 2 },
    });
    for (let id = 1; id <= 6; id += 1) server.offer(id, bashJob(id, repository, 'a.sh'));
    await start();
    await eventually(() => [1, 2, 3, 4, 5, 6].every((id) => server.status(id) === 'success'), 20_000);
    const events = [1, 2, 3, 4, 5, 6].flatMap((id) =>
      server.lines(id).flatMap((line) => {
        const match = /^(start|end) (\d+)$/.exec(line);
        return match ? [{ at: BigInt(match[2] ?? 0), step: match[1] === 'start' ? 1 : -1 }] : [];
      }),
    );
    let running = 0;
    let most = 0;
    for (const { step } of events.toSorted((a, b) => (a.at < b.at ? -1 : 1))) {
      running += step;
      most = Math.max(most, running);
    }
    expect(events).toHaveLength(12);
    expect(most).toBe(2);
  });

  it('stops a running task at the first sight of "stopping"', async () => {
    const { repository, server, start } = await stage({ scripts: { 'a.sh': 'echo started; sleep 60' } });
    server.offer(1, bashJob(1, repository, 'a.sh'));
    await start();
    await eventually(() => server.lines(1).includes('started'));
    server.current.set(1, 'stopping');
    await eventually(() => server.status(1) === 'stopped');
    expect(server.lines(1).at(-1)).toBe('Task was stopped.');
  });

  it('ends a task that waits for a slot without starting it when it is stopped', async () => {
    const { repository, server, start } = await stage({
      scripts: { 'long.sh': 'echo started; sleep 60', 'never.sh': 'echo never' },
      runner: { max_parallel_tasks: 1 },
    });
    server.offer(1, bashJob(1, repository, 'long.sh'));
    server.offer(2, bashJob(2, repository, 'never.sh'));
    await start();
    await eventually(() => server.lines(1).includes('started'));
    server.current.set(2, 'stopping');
    await eventually(() => server.status(2) === 'stopped');
    expect(server.lines(2)).toEqual([]);
    server.current.set(1, 'stopping');
    await eventually(() => server.status(1) === 'stopped');
  });

  it('ends a task that the server has given up, without a further report', async () => {
    const { directory, repository, server, start, jobsLeft } = await stage({
      scripts: { 'a.sh': 'trap "touch ../ended; exit" TERM; echo started; while :; do sleep 0.05; done' },
    });
    server.offer(1, bashJob(1, repository, 'a.sh'));
    await start();
    await eventually(() => server.lines(1).includes('started'));
    server.hidden.add(1);
    server.terminated = [1];
    await eventually(() => existsSync(join(directory, 'ended')) && jobsLeft().length === 0);
    expect(server.status(1)).toBe('running');
  });

  it('survives answers that make no sense, with one line, and goes on', async () => {
    const { repository, server, start } = await stage({ scripts: { 'a.sh': 'echo done' } });
    const nonsense = ['<html>login</html>', '{"CurrentJobs": [', '"text"', ''];
    server.fault = (request, response) => {
      if (request.method !== 'GET') return false;
      response.writeHead(200, { 'content-type': 'text/html' }).end(nonsense[0]);
      return true;
    };
    const { lines } = await start();
    await eventually(() => server.polls >= 3, 20_000);
    const complaints = lines.filter((line) => line.level === 'error');
    expect(complaints).toHaveLength(1);
    expect(String(complaints[0]?.fields['error'])).toMatch(/Semaphore/);
    server.fault = () => false;
    server.offer(1, bashJob(1, repository, 'a.sh'));
    await eventually(() => server.status(1) === 'success', 20_000);
    expect(lines.some((line) => line.message === 'Connection to the server is back')).toBe(true);
  });

  it('runs the readable tasks of an answer that has an unreadable one, and says so once', async () => {
    const { repository, server, start } = await stage({ scripts: { 'a.sh': 'echo done' } });
    server.offer(7, { task: { id: 7 }, template: 'no object' }, 3);
    server.offer(1, bashJob(1, repository, 'a.sh'));
    const { lines } = await start();
    await eventually(() => server.status(1) === 'success' && server.polls >= 4, 20_000);
    expect(lines.filter((line) => line.message === 'The server sent a task that cannot be read')).toHaveLength(1);
  });

  it('delivers everything once when the answers to its reports are lost', async () => {
    const { repository, server, start } = await stage({
      scripts: { 'a.sh': 'for i in $(seq 50); do echo line $i; sleep 0.01; done' },
    });
    let lost = 0;
    const seen = new Map<string, string>();
    server.fault = (request, response, body) => {
      if (request.method !== 'PUT' || body.includes('"Jobs":null')) return false;
      // The server has stored the records; a server that knows the protocol tells repeated ones by their times.
      const { Jobs } = JSON.parse(body) as { Jobs: { LogRecords: { time: string; message: string }[] }[] };
      for (const record of Jobs.flatMap((job) => job.LogRecords)) seen.set(record.time, record.message);
      if (lost >= 2) return false;
      lost += 1;
      response.destroy();
      return true;
    };
    server.offer(1, bashJob(1, repository, 'a.sh'));
    await start();
    await eventually(() => server.status(1) === 'success', 20_000);
    const lines = [...seen].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, message]) => message);
    expect(lost).toBe(2);
    expect(lines).toEqual(['Preparing: 1', ...Array.from({ length: 50 }, (_, index) => `line ${index + 1}`)]);
  });

  it('clears the cache without touching running tasks', async () => {
    const { directory, repository, server, start } = await stage({
      scripts: { 'a.sh': 'echo started; sleep 0.8; echo done' },
    });
    const stale = join(directory, 'work', 'project_9', 'repository_1_template_1_x');
    mkdirSync(stale, { recursive: true });
    server.offer(1, bashJob(1, repository, 'a.sh'));
    await start();
    await eventually(() => server.lines(1).includes('started'));
    server.extra = { clear_cache: true };
    await eventually(() => !existsSync(stale));
    await eventually(() => server.status(1) === 'success');
    expect(server.lines(1)).toEqual(['Preparing: 1', 'started', 'done']);
  });
});

describe('the work directory', () => {
  it('is swept at the start of what a crash left in it', async () => {
    const { directory, start } = await stage();
    const left = join(directory, 'work', 'project_9', '.removing-1-1');
    mkdirSync(left, { recursive: true });
    const runner = await start();
    await eventually(() => !existsSync(left));
    runner.drain();
    expect(await runner.ended).toBe(0);
    expect(readdirSync(join(directory, 'work')).filter((name) => name.startsWith('.owner-'))).toEqual([]);
  });

  it('is cleaned up on schedule', async () => {
    const { directory, start } = await stage({ runner: { cleanup: { schedule: '* * * * * *', max_age_days: 3 } } });
    const project = join(directory, 'work', 'project_9');
    for (const name of ['mirror_1_0', 'mirror_2_0']) mkdirSync(join(project, name), { recursive: true });
    utimesSync(join(project, 'mirror_1_0'), 0, 0);
    await start();
    // It is renamed first and removed then.
    await eventually(() => readdirSync(project).length === 1);
    expect(readdirSync(project)).toEqual(['mirror_2_0']);
  });

  it('needs a schedule that is one', async () => {
    const { start } = await stage({ runner: { cleanup: { schedule: 'daily', max_size: '1GB' } } });
    await expect((await start()).ended).rejects.toThrow('runner.cleanup.schedule is "daily", which is no schedule');
  });
});

describe('one-off mode', () => {
  it('ends with 0 when its task is finished and acknowledged, and takes no other', async () => {
    const { repository, server, start } = await stage({
      scripts: { 'a.sh': 'echo done; exit 3' },
      runner: { one_off: true },
    });
    server.offer(1, bashJob(1, repository, 'a.sh'));
    server.offer(2, bashJob(2, repository, 'a.sh'), 0);
    const { ended } = await start();
    await eventually(() => server.lines(1).length > 0);
    server.offer(2, bashJob(2, repository, 'a.sh'), 100);
    expect(await ended).toBe(0);
    expect([server.status(1), server.status(2)]).toEqual(['error', undefined]);
  });

  it('does not end before the final status is acknowledged', async () => {
    const { repository, server, start } = await stage({ scripts: { 'a.sh': 'echo done' }, runner: { one_off: true } });
    let failing = true;
    server.fault = (request, response, body) => {
      if (request.method !== 'PUT' || !failing || !body.includes('success')) return false;
      response.writeHead(500).end('{"error":"Unexpected error"}');
      return true;
    };
    server.offer(1, bashJob(1, repository, 'a.sh'));
    const { ended, isOver } = await start();
    await eventually(() => server.reports >= 3, 20_000);
    expect(isOver()).toBe(false);
    failing = false;
    expect(await ended).toBe(0);
    expect(server.status(1)).toBe('success');
  });
});

describe('the end of a runner', () => {
  it('waits for nothing when nothing runs', async () => {
    const { server, start } = await stage();
    const runner = await start();
    await eventually(() => server.polls >= 1);
    runner.drain();
    expect(await runner.ended).toBe(0);
  });

  it('finishes and reports what runs, starts nothing new, and gives back what waits', async () => {
    const { repository, server, start } = await stage({
      scripts: { 'a.sh': 'echo started; sleep 0.5; echo done' },
      runner: { max_parallel_tasks: 1 },
    });
    server.offer(1, bashJob(1, repository, 'a.sh'));
    server.offer(2, bashJob(2, repository, 'a.sh'), 100);
    const runner = await start();
    await eventually(() => server.lines(1).includes('started'));
    runner.drain();
    expect(await runner.ended).toBe(0);
    expect(server.lines(1)).toEqual(['Preparing: 1', 'started', 'done']);
    expect([server.status(1), server.status(2)]).toEqual(['success', undefined]);
  });

  it('stops the running tasks and reports them at the second signal', async () => {
    const { repository, server, start } = await stage({ scripts: { 'a.sh': 'echo started; sleep 60' } });
    server.offer(1, bashJob(1, repository, 'a.sh'));
    const runner = await start();
    await eventually(() => server.lines(1).includes('started'));
    runner.drain();
    runner.cancel();
    expect(await runner.ended).toBe(143);
    expect(server.status(1)).toBe('stopped');
  });

  it('stops the running tasks and reports them when the time for draining is up, which is an end as asked', async () => {
    const { repository, server, start } = await stage({
      scripts: { 'a.sh': 'echo started; sleep 60' },
      runner: { drain_timeout_seconds: 1 },
    });
    server.offer(1, bashJob(1, repository, 'a.sh'));
    const runner = await start();
    await eventually(() => server.lines(1).includes('started'));
    runner.drain();
    expect(await runner.ended).toBe(0);
    expect(server.status(1)).toBe('stopped');
  });

  it('keeps what the server does not take, says so by exit code 3, and delivers it at the next start', async () => {
    const { repository, server, start, jobsLeft } = await stage({ scripts: { 'a.sh': 'echo precious' } });
    server.fault = (request, response, body) => {
      if (request.method !== 'PUT' || body.includes('"Jobs":null')) return false;
      response.writeHead(503).end();
      return true;
    };
    server.offer(1, bashJob(1, repository, 'a.sh'));
    const first = await start();
    await eventually(() => first.lines.some((line) => line.message === 'Task finished'), 20_000);
    first.drain();
    first.cancel();
    expect(await first.ended).toBe(3);
    expect(jobsLeft()).toEqual(['1']);
    server.fault = () => false;
    await start();
    await eventually(() => server.status(1) === 'success', 20_000);
    expect(server.lines(1)).toEqual(['Preparing: 1', 'precious']);
    await eventually(() => jobsLeft().length === 0);
  });

  const outputTask = (id: number, repository: string) =>
    bashJob(id, repository, 'a.sh', {
      task: { id, template_id: 1, project_id: 1, status: 'starting', playbook: '', workflow_run_id: 8, limit: '' },
    });

  it('reports the outputs of a workflow task once, together with success', async () => {
    const { repository, server, start, jobsLeft } = await stage({
      scripts: { 'a.sh': String.raw`sleep 1; echo '{"answer": 42, "text": "\"quoted\""}' >"$SEMAPHORE_OUTPUTS_FILE"` },
    });
    server.offer(1, outputTask(1, repository));
    server.offer(2, bashJob(2, repository, 'a.sh'));
    await start();
    await eventually(() => server.status(1) === 'success' && server.status(2) === 'error', 20_000);
    await eventually(() => jobsLeft().length === 0);
    expect(server.arrived.get(1)?.outputs).toEqual([
      { status: 'success', document: String.raw`{"values":{"answer":42,"text":"\"quoted\""},"skipped":{}}` },
    ]);
    // A task of no workflow has no such file.
    expect(server.arrived.get(2)?.outputs).toEqual([]);
  });

  it('fails a workflow task whose outputs are not acceptable', async () => {
    const { repository, server, start } = await stage({ scripts: { 'a.sh': 'echo [] >"$SEMAPHORE_OUTPUTS_FILE"' } });
    server.offer(1, outputTask(1, repository));
    await start();
    await eventually(() => server.status(1) === 'error', 20_000);
    expect(server.lines(1).at(-1)).toMatch(/Invalid task outputs: the file is not a JSON object/);
    expect(server.arrived.get(1)?.outputs).toEqual([]);
  });

  it('reports outputs after a restart, too', async () => {
    const { repository, server, start } = await stage({
      scripts: { 'a.sh': `echo '{"answer": 42}' >"$SEMAPHORE_OUTPUTS_FILE"` },
    });
    server.fault = (request, response, body) => {
      if (request.method !== 'PUT' || body.includes('"Jobs":null')) return false;
      response.writeHead(503).end();
      return true;
    };
    server.offer(1, outputTask(1, repository));
    const first = await start();
    await eventually(() => first.lines.some((line) => line.message === 'Task finished'), 20_000);
    first.drain();
    first.cancel();
    await first.ended;
    server.fault = () => false;
    await start();
    await eventually(() => server.status(1) === 'success', 20_000);
    expect(server.arrived.get(1)?.outputs).toEqual([
      { status: 'success', document: '{"values":{"answer":42},"skipped":{}}' },
    ]);
  });

  it('refuses to start beside another one with the same identity', async () => {
    const { server, start } = await stage();
    const first = await start();
    await eventually(() => server.polls >= 1);
    const second = await start();
    await expect(second.ended).rejects.toThrow(/another runner \(process \d+\) uses the directory/);
    first.drain();
    expect(await first.ended).toBe(0);
  });

  it.each([
    ['no server', { web_host: undefined }, /web_host is missing/],
    ['no token', { runner: {} }, /no token/],
  ])('does not start with %s', async (_name, config, expected) => {
    const directory = tempDir();
    const file = join(directory, 'c.json');
    writeFileSync(file, JSON.stringify({ web_host: 'http://127.0.0.1:1', ...config }), { mode: 0o600 });
    const loaded = await loadRunnerConfig({ configPath: file, env: {}, cwd: directory });
    const never = new AbortController().signal;
    const { logger } = recordingLogger();
    const start = runRunner({
      loaded,
      logger,
      stdout: () => undefined,
      shutdown: { drain: never, cancel: never, leave: never },
    });
    await expect(start).rejects.toThrow(expected);
    await systemClock.sleep(1);
  });
});
