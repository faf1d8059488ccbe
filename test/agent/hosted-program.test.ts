import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type AgentProcess, builtAgent, newPlace, type Place, startProgram } from '../commands/agent-support.ts';
import { ask, postJob, secret, until } from './hosted-client.ts';
import { directives, expectNobody, toucher } from './job-setup.ts';

/** How the built `agent serve` ends by real signals (spec CI 1.1: the original needed two, and left its job alone). */

const { bin } = builtAgent();

async function start(place: Place): Promise<{ agent: AgentProcess; url: string }> {
  const args = ['serve', '--auth-token-secret', secret, '--host', '127.0.0.1', '--port=0', '--self-signed'];
  const agent = startProgram(bin(), args, { env: place.env, cwd: place.home });
  const listening = /https:\/\/127\.0\.0\.1:\d+/;
  await until(() => listening.test(agent.out()), `the server in: ${agent.out()}`, 60_000);
  return { agent, url: listening.exec(agent.out())?.[0] ?? '' };
}

async function startJob(url: string): Promise<void> {
  const left = `touch ~/a; ${toucher('a', 'setsid')} echo here; sleep 300`;
  await postJob(url, { job_id: 'job-1', commands: directives(left) });
  await until(async () => (await ask(url, '/jobs/job-1/log')).body.includes('here\\n'), 'the command', 60_000);
}

describe('the built agent serve', { timeout: 180_000 }, () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'ends by one %s with code 0, and no process of its job is left',
    async (signal) => {
      const place = newPlace();
      const { agent, url } = await start(place);
      await startJob(url);
      agent.kill(signal);
      await until(async () => (await ask(url, '/jobs/job-1/log')).body.includes('job_finished'), 'the last event');
      await ask(url, '/jobs/job-1/log', { headers: { 'x-client-name': 'archivator' } });
      expect(await agent.ended).toEqual({ code: 0, signal: null });
      await expectNobody(join(place.home, 'a'));
    },
  );

  it('ends at once by a third Ctrl-C, and the next one finds the log that nobody has fetched', async () => {
    const place = newPlace();
    const { agent, url } = await start(place);
    await startJob(url);
    agent.kill('SIGINT');
    await until(() => agent.out().includes('shutting down'), 'the first signal');
    agent.kill('SIGINT');
    // Two signals of one kind that wait at the same time are one.
    await ask(url, '/is_alive').catch(() => undefined);
    agent.kill('SIGINT');
    expect(await agent.ended).toEqual({ code: 130, signal: null });
    await expectNobody(join(place.home, 'a'));

    await start(place);
    const aside = readdirSync(place.tmp)
      .filter((name) => name.startsWith('semaphore-agent-'))
      .map((name) => join(place.tmp, name, 'undelivered'));
    const logs = (): string[] =>
      aside.flatMap((path) => (existsSync(path) ? readdirSync(path).map((name) => join(path, name)) : []));
    await until(() => logs().length === 1, 'the log to be set aside');
    expect(readFileSync(logs()[0] ?? '', 'utf8')).toContain('here\\n');
  });
});
