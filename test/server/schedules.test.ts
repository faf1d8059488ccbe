import { describe, expect, it } from 'vitest';
import { FakeClock } from './support/fake-clock.ts';
import { job, ScriptedRunner } from './support/scripted-runner.ts';
import { TestServer, type Json } from './support/test-server.ts';

/** Schedules against a clock in our hands; it starts at 12:00:00 UTC. */

async function start(
  schedules: readonly object[],
  file: object = {},
): Promise<{ server: TestServer; clock: FakeClock; times: () => Promise<string[]> }> {
  const clock = new FakeClock();
  const server = await TestServer.start({ clock, project: { schedules }, file: { timezone: 'UTC', ...file } });
  const times = async (): Promise<string[]> => {
    const tasks = (await server.call('GET', '/api/project/1/tasks')).json;
    return tasks.map((task: Json) => task.created.slice(11, 19)).reverse();
  };
  return { server, clock, times };
}

const minute = 60_000;

describe('a schedule', () => {
  it('starts its task when it is time, and tells who did it', async () => {
    const { server, clock, times } = await start([
      { id: 3, name: 's', template: 'Parallel', cron: '*/5 * * * *', task: { message: 'by itself' } },
    ]);
    await clock.advance(4 * minute + 59_000);
    expect(await times()).toEqual([]);
    await clock.advance(11 * minute);
    expect(await times()).toEqual(['12:05:00', '12:10:00', '12:15:00']);
    expect(await server.task(1)).toMatchObject({
      schedule_id: 3,
      message: 'by itself',
      user_name: null,
      template_id: 2,
    });
  });

  it('keeps to seconds when it has them', async () => {
    const { clock, times } = await start([{ name: 's', template: 'Parallel', cron: '*/20 * * * * *' }]);
    await clock.advance(minute);
    expect(await times()).toEqual(['12:00:20', '12:00:40', '12:01:00']);
  });

  it('lives in its time zone', async () => {
    const { clock, times } = await start(
      [
        { name: 'own', template: 'Parallel', cron: '30 14 * * *', timezone: 'Europe/Berlin' },
        { name: 'common', template: 'Parallel', cron: '45 8 * * *' },
      ],
      { timezone: 'America/New_York' },
    );
    await clock.advance(60 * minute);
    expect(await times()).toEqual(['12:30:00', '12:45:00']);
  });

  it('does nothing when it is not active', async () => {
    const { server, clock, times } = await start([
      { id: 1, name: 's', template: 'Parallel', cron: '* * * * *', active: false },
    ]);
    await clock.advance(5 * minute);
    expect(await times()).toEqual([]);
    expect((await server.call('GET', '/api/project/1/schedules/1')).json).toMatchObject({
      active: false,
      next_run: null,
    });
  });

  it('does not pile up tasks that nobody takes', async () => {
    const { server, clock, times } = await start([{ name: 's', template: 'Parallel', cron: '* * * * *' }]);
    const runner = await ScriptedRunner.register(server);
    await clock.advance(3 * minute);
    expect(await times()).toEqual(['12:01:00']);
    expect(server.logged.join('\n')).toContain('A schedule was skipped');
    await runner.get();
    await runner.put([job(1, 'running')]);
    await clock.advance(minute);
    expect(await times()).toEqual(['12:01:00', '12:04:00']);
  });

  it('does not make up for what was missed while the machine slept', async () => {
    const { server, clock, times } = await start([{ name: 's', template: 'Parallel', cron: '0 * * * *' }]);
    await clock.jump(5 * 60 * minute + 30 * minute);
    await clock.advance(29 * minute);
    expect(await times()).toEqual([]);
    expect(server.logged.join('\n')).toContain('A schedule was missed');
    await clock.advance(2 * minute);
    expect(await times()).toEqual(['18:00:00']);
  });

  it('passes what the file says', async () => {
    const clock = new FakeClock();
    const templates = [
      {
        name: 'T',
        playbook: 'x.yml',
        repository: 'scripts',
        allow_override_args_in_task: true,
        survey_vars: [{ name: 'size', required: true }],
        task_params: { allow_override_tags: true },
      },
    ];
    const task = { environment: { size: 'l' }, arguments: ['-x'], params: { tags: ['web'], dry_run: true } };
    const server = await TestServer.start({
      clock,
      project: { templates, schedules: [{ name: 's', template: 'T', cron: '* * * * *', task }] },
    });
    await clock.advance(minute);
    expect(await server.task(1)).toMatchObject({
      environment: '{"size":"l"}',
      arguments: '["-x"]',
      dry_run: true,
      params: { tags: ['web'], dry_run: true },
    });
  });

  it('changes when the file is read again', async () => {
    const { server, clock, times } = await start([{ name: 's', template: 'Parallel', cron: '0 * * * *' }]);
    await server.writeFile({ project: { schedules: [{ name: 's', template: 'Parallel', cron: '10 * * * *' }] } });
    await clock.advance(minute);
    await server.running.reload();
    await clock.advance(60 * minute);
    expect(await times()).toEqual(['12:10:00']);
  });
});

describe('a schedule that cannot work', () => {
  it.each([
    [{ cron: 'every day' }, 'cron: expected a cron expression such as "0 3 * * *" (it has 2 fields'],
    [{ cron: '99 * * * *' }, 'cron: expected a cron expression'],
    [{ cron: '0 0 30 2 *' }, 'cron: expected a cron expression'],
    [{ timezone: 'Mars/Olympus' }, 'timezone: expected a time zone such as Europe/Berlin, got "Mars/Olympus"'],
    [{ task: { git_branch: 'dev' } }, 'task: git_branch cannot be chosen for template "Parallel"'],
  ])('is refused with its place: %j', async (changes, message) => {
    const schedules = [{ name: 's', template: 'Parallel', cron: '@daily', ...changes }];
    await expect(TestServer.start({ project: { schedules } })).rejects.toThrow(message);
  });
});
