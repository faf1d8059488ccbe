import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { job, ScriptedRunner } from './support/scripted-runner.ts';
import { FakeClock } from './support/fake-clock.ts';
import { TestServer } from './support/test-server.ts';

/** The way of a task through the server, with real requests and a clock in our hands. */

describe('a task', () => {
  it('is handed to a runner that already waits, with its next question', async () => {
    const server = await TestServer.start();
    const runner = await ScriptedRunner.online(server);
    const id = await server.createTask();
    expect(await server.status(id)).toBe('starting');
    expect(await runner.newJobs()).toEqual([id]);
  });

  it('waits for a runner that is registered and away', async () => {
    const server = await TestServer.start();
    const runner = await ScriptedRunner.register(server);
    const id = await server.createTask();
    expect(await server.status(id)).toBe('waiting');
    expect(await runner.newJobs()).toEqual([id]);
  });

  it('fails at once when there is no runner for it', async () => {
    const server = await TestServer.start();
    const id = await server.createTask();
    await expect.poll(() => server.status(id)).toBe('error');
    expect(await server.log(id)).toEqual(['no runners available: no runner is registered yet']);
  });

  it('follows the one before it of the same template, in the order of the queue', async () => {
    const server = await TestServer.start();
    const runner = await ScriptedRunner.online(server);
    const ids = [await server.createTask(), await server.createTask(), await server.createTask({ template_id: 2 })];
    expect(await runner.newJobs()).toEqual([ids[0], ids[2]]);
    await runner.put([job(ids[0] ?? 0, 'success')]);
    expect(await runner.newJobs()).toEqual([ids[1], ids[2]]);
  });

  it('goes to a runner when it is made active, not before', async () => {
    const server = await TestServer.start();
    const runner = await ScriptedRunner.online(server);
    const spare = await ScriptedRunner.register(server);
    await server.call('POST', `/api/runners/${runner.id}/active`, { active: false });
    const id = await server.createTask();
    expect(await server.status(id)).toBe('waiting');
    expect(await runner.newJobs()).toEqual([]);
    await server.call('DELETE', `/api/runners/${spare.id}`);
    await server.call('POST', `/api/runners/${runner.id}/active`, { active: true });
    expect(await runner.newJobs()).toEqual([id]);
  });

  it('gets its start time again after a confirmation', async () => {
    const clock = new FakeClock();
    const server = await TestServer.start({ clock });
    const runner = await ScriptedRunner.online(server);
    const id = await server.createTask();
    await runner.report(id, 'running');
    await clock.advance(5000);
    await runner.report(id, 'waiting_confirmation');
    await server.call('POST', `/api/project/1/tasks/${id}/confirm`);
    await runner.report(id, 'running');
    expect((await server.task(id)).start).toBe('2026-06-01T12:00:05.000Z');
  });
});

describe('stop, confirm, reject (spec 8.5)', () => {
  async function running(options: { startedAt?: string; clock?: FakeClock } = {}) {
    const server = await TestServer.start(options.clock ? { clock: options.clock } : {});
    const { startedAt } = options;
    const runner = await ScriptedRunner.register(server, startedAt === undefined ? {} : { startedAt });
    await runner.get();
    const id = await server.createTask();
    await runner.get();
    await runner.report(id, 'running');
    const act = (verb: string, body?: object) => server.call('POST', `/api/project/1/tasks/${id}/${verb}`, body);
    return { server, runner, id, act };
  }
  const isNew = { startedAt: '2026-06-01T11:00:00Z' };

  it('stops a waiting task at once', async () => {
    const server = await TestServer.start();
    await ScriptedRunner.register(server);
    const id = await server.createTask();
    await server.call('POST', `/api/project/1/tasks/${id}/stop`);
    expect(await server.status(id)).toBe('stopped');
  });

  it('stops an assigned task at once as long as its runner has not seen it, and asks the runner afterwards', async () => {
    const server = await TestServer.start();
    const runner = await ScriptedRunner.online(server);
    const unseen = await server.createTask();
    await server.call('POST', `/api/project/1/tasks/${unseen}/stop`);
    expect(await server.status(unseen)).toBe('stopped');
    const seen = await server.createTask();
    expect(await runner.newJobs()).toEqual([seen]);
    await server.call('POST', `/api/project/1/tasks/${seen}/stop`);
    expect(await runner.get()).toMatchObject({ new_jobs: [], CurrentJobs: [{ id: seen, status: 'stopping' }] });
  });

  it('by force ends a task here and now; its runner learns it from the next report', async () => {
    const { server, runner, id, act } = await running(isNew);
    await act('stop', { force: true });
    expect(await server.task(id)).toMatchObject({ status: 'stopped', end: expect.any(String) });
    expect((await runner.get()).CurrentJobs).toEqual([]);
    expect((await runner.report(id, 'running', ['more'])).json).toEqual({ terminated_jobs: [id] });
  });

  it('by force asks a runner that is too old to be told, with a time-out', async () => {
    const clock = new FakeClock();
    const { server, runner, id, act } = await running({ clock });
    await act('stop', { force: true });
    expect((await runner.get()).CurrentJobs).toEqual([{ id, status: 'stopping' }]);
    await clock.advance(29_000);
    expect(await server.status(id)).toBe('stopping');
    await clock.advance(2000);
    expect(await server.status(id)).toBe('stopped');
    expect((await server.log(id)).at(-1)).toBe('Stopped by the server: the runner did not stop the task within 30 s');
  });

  it('gives up on a runner that never stops', async () => {
    const clock = new FakeClock();
    const { server, runner, id, act } = await running({ ...isNew, clock });
    await act('stop');
    for (let minute = 0; minute < 5; minute += 1) {
      expect(await server.status(id)).toBe('stopping');
      await clock.advance(60_000);
      await runner.get();
    }
    await clock.advance(1000);
    expect(await server.status(id)).toBe('stopped');
  });

  it.each([
    ['confirm', isNew, 'confirmed'],
    ['reject', isNew, 'rejected'],
    ['confirm', {}, 'confirmed'],
    ['reject', {}, 'stopping'],
  ])('%s reaches the runner (%o) as %s', async (verb, options, status) => {
    const { server, runner, id, act } = await running(options);
    const early = await act(verb);
    expect(early).toMatchObject({
      status: 400,
      json: { error: `Task ${id} does not wait for a confirmation; it is running` },
    });
    await runner.report(id, 'waiting_confirmation');
    expect((await act(verb)).status).toBe(204);
    expect((await runner.get()).CurrentJobs).toEqual([{ id, status }]);
    // The runner has not seen it yet, and repeats itself.
    await runner.report(id, 'waiting_confirmation');
    expect(await server.status(id)).toBe(status);
  });

  it('says nothing to a task that is finished', async () => {
    const { server, runner, id, act } = await running(isNew);
    await runner.report(id, 'success');
    expect((await act('stop')).status).toBe(204);
    expect((await act('stop', { force: true })).status).toBe(204);
    expect(await server.status(id)).toBe('success');
  });
});

describe('a runner that is lost (spec 8.4)', () => {
  it('gives its tasks back, or fails them, and is told when it returns', async () => {
    const clock = new FakeClock();
    const server = await TestServer.start({ clock });
    const lost = await ScriptedRunner.online(server);
    const [started, fresh] = [await server.createTask(), await server.createTask({ template_id: 2 })];
    await lost.get();
    await lost.report(started, 'running');
    await clock.advance(150_000);
    expect([await server.status(started), await server.status(fresh)]).toEqual(['running', 'waiting']);
    const other = await ScriptedRunner.online(server);
    expect(await other.newJobs()).toEqual([fresh]);
    await clock.advance(300_000);
    expect(await server.status(started)).toBe('error');
    expect((await server.log(started)).at(-1)).toMatch(/^Runner lost: no contact for 4\d\d s$/);
    expect((await lost.put([job(started, 'running'), job(fresh, 'running')])).json).toEqual({
      terminated_jobs: [started, fresh],
    });
  });

  it('is not lost because the machine of the server slept', async () => {
    const clock = new FakeClock();
    const server = await TestServer.start({ clock });
    const runner = await ScriptedRunner.online(server);
    const id = await server.createTask();
    await runner.report(id, 'running');
    await clock.jump(3_600_000);
    expect(await server.status(id)).toBe('running');
    expect((await runner.get()).CurrentJobs).toEqual([{ id, status: 'running' }]);
  });

  it('by a restart loses what the old process ran, at its first question', async () => {
    const server = await TestServer.start();
    const runner = await ScriptedRunner.online(server, { registration: { max_parallel_tasks: 1 } });
    const [id, next] = [await server.createTask({ template_id: 2 }), await server.createTask({ template_id: 2 })];
    await runner.get();
    await runner.report(id, 'running');
    runner.startedAt = new Date(Date.now() + 1000).toISOString();
    expect(await runner.newJobs()).toEqual([next]);
    expect(await server.status(id)).toBe('error');
    expect((await server.log(id)).at(-1)).toBe('Runner lost: the runner was restarted');
  });

  it('by being removed gives its tasks back', async () => {
    const server = await TestServer.start();
    const gone = await ScriptedRunner.online(server);
    const id = await server.createTask();
    const other = await ScriptedRunner.online(server);
    await gone.request('DELETE');
    expect(await other.newJobs()).toEqual([id]);
  });
});

describe('a task that takes too long', () => {
  it('fails when its time is up, to the second', async () => {
    const clock = new FakeClock();
    const server = await TestServer.start({ clock, file: { max_task_duration_sec: 100 } });
    const runner = await ScriptedRunner.online(server);
    const id = await server.createTask();
    await runner.report(id, 'running');
    await clock.advance(99_000);
    expect(await server.status(id)).toBe('running');
    await clock.advance(2000);
    expect(await server.status(id)).toBe('error');
    expect((await server.log(id)).at(-1)).toBe('Task timed out after 100 s');
    expect((await runner.report(id, 'running')).json).toEqual({ terminated_jobs: [id] });
  });
});

describe('the webhook of a runner (spec 3.9)', () => {
  interface Hook {
    url: string;
    calls: unknown[];
    answer: { status: number; after?: Promise<void> };
  }

  async function hook(): Promise<Hook> {
    const state: Hook = { url: '', calls: [], answer: { status: 200 } };
    const server: Server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += String(chunk);
      });
      request.on('end', () => {
        state.calls.push({
          type: request.headers['content-type'],
          method: request.method,
          ...(JSON.parse(body) as object),
        });
        void Promise.resolve(state.answer.after).then(() => response.writeHead(state.answer.status).end());
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
    return state;
  }

  it('is called before the task is assigned, and when it ends', async () => {
    const webhook = await hook();
    let release = (): void => undefined;
    webhook.answer.after = new Promise((resolve) => {
      release = resolve;
    });
    const server = await TestServer.start();
    // It never asked for work: it may have to be started first.
    const runner = await ScriptedRunner.register(server, {
      registration: { webhook: webhook.url, max_parallel_tasks: 1 },
    });
    const id = await server.createTask({ template_id: 2 });
    const second = await server.createTask({ template_id: 2 });
    const event = { type: 'application/json', method: 'POST', project_id: 1, template_id: 2, runner_id: runner.id };
    await expect.poll(() => webhook.calls).toEqual([{ ...event, action: 'start', task_id: id }]);
    expect(await server.status(id)).toBe('waiting');
    release();
    await expect.poll(() => server.status(id)).toBe('starting');
    await runner.report(id, 'running');
    await runner.report(id, 'success');
    await expect.poll(() => webhook.calls).toHaveLength(3);
    expect(webhook.calls).toContainEqual({ ...event, action: 'finish', task_id: id });
    expect(webhook.calls).toContainEqual({ ...event, action: 'start', task_id: second });
  });

  it.each([201, 302, 500])('that answers %i at the start fails the task', async (status) => {
    const webhook = await hook();
    webhook.answer.status = status;
    const server = await TestServer.start();
    const runner = await ScriptedRunner.register(server, { registration: { webhook: webhook.url } });
    const id = await server.createTask();
    await expect.poll(() => server.status(id)).toBe('error');
    expect(await server.log(id)).toEqual([
      `Failed to wake runner #${runner.id} through its webhook: webhook returned incorrect status ${status}`,
    ]);
  });

  it('that fails at the end is logged, and nothing more', async () => {
    const webhook = await hook();
    const server = await TestServer.start();
    const runner = await ScriptedRunner.register(server, { registration: { webhook: webhook.url } });
    const id = await server.createTask();
    await expect.poll(() => server.status(id)).toBe('starting');
    webhook.answer.status = 500;
    await runner.report(id, 'running');
    await runner.report(id, 'success');
    await expect.poll(() => server.logged.join('\n')).toContain('The webhook of a runner failed at the end of a task');
    expect(await server.status(id)).toBe('success');
  });

  it('is not called for a task that was stopped by force', async () => {
    const webhook = await hook();
    const server = await TestServer.start();
    const runner = await ScriptedRunner.online(server, { registration: { webhook: webhook.url } });
    const id = await server.createTask();
    await expect.poll(() => server.status(id)).toBe('starting');
    await runner.report(id, 'running');
    await server.call('POST', `/api/project/1/tasks/${id}/stop`, { force: true });
    await server.close();
    expect(webhook.calls).toHaveLength(1);
  });

  it('lets what it woke sleep again when the task was stopped meanwhile', async () => {
    const webhook = await hook();
    let release = (): void => undefined;
    webhook.answer.after = new Promise((resolve) => {
      release = resolve;
    });
    const server = await TestServer.start();
    await ScriptedRunner.register(server, { registration: { webhook: webhook.url } });
    const id = await server.createTask();
    await expect.poll(() => webhook.calls).toHaveLength(1);
    await server.call('POST', `/api/project/1/tasks/${id}/stop`);
    release();
    await expect.poll(() => webhook.calls).toHaveLength(2);
    expect(webhook.calls[1]).toMatchObject({ action: 'finish', task_id: id });
  });
});
