import { request } from 'node:https';
import { createHmac } from 'node:crypto';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { renderEvents } from '../../src/agent/playground/hub/index.ts';
import { base64, builtAgent, newPlace, startProgram, until } from './agent-support.ts';

const { bin } = builtAgent();
const secret = 'TzRVcspTmxhM9fUkdi1T/0kVXNETCi8UdZ8dLM8va4E';

function token(): string {
  const [head, body] = ['{"alg":"HS256","typ":"JWT"}', '{}'].map((part) => Buffer.from(part).toString('base64url'));
  return `${head}.${body}.${createHmac('sha256', secret).update(`${head}.${body}`).digest('base64url')}`;
}

async function ask(
  url: string,
  options: { method?: string; body?: object; headers?: Record<string, string> } = {},
): Promise<{ status: number; body: string }> {
  return await new Promise((resolve, reject) => {
    const { method = 'GET', body, headers = {} } = options;
    const sent = request(
      url,
      { method, rejectUnauthorized: false, agent: false, headers: { authorization: `Bearer ${token()}`, ...headers } },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      },
    );
    sent.once('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function callbackServer(): Promise<{ url: string; calls: string[] }> {
  const calls: string[] = [];
  const server = createServer((incoming, response) => {
    let text = '';
    incoming.on('data', (chunk: Buffer) => (text += chunk.toString()));
    incoming.on('end', () => {
      calls.push(`${incoming.url ?? ''} ${text}`);
      response.end();
    });
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls };
}

describe('agent serve', { timeout: 120_000 }, () => {
  it('runs a job, gives out its log, tells its end, and shows its own log', async () => {
    const place = newPlace();
    const args = ['serve', '--auth-token-secret', secret, '--host', '127.0.0.1', '--port=0', '--self-signed'];
    const agent = startProgram(bin(), args, { env: place.env, cwd: place.home });
    await until(
      () => /https:\/\/127\.0\.0\.1:\d+/.test(agent.out()),
      'the server',
      () => agent.out() + agent.err(),
    );
    const [url = ''] = /https:\/\/127\.0\.0\.1:\d+/.exec(agent.out()) ?? [];
    expect(await ask(`${url}/is_alive`)).toEqual({ status: 200, body: 'yes' });
    expect(JSON.parse((await ask(`${url}/status`)).body)).toEqual({
      state: 'waiting-for-job',
      version: expect.stringMatching(/^v\d/),
    });

    const callbacks = await callbackServer();
    const job = {
      job_id: 'j1',
      env_vars: [{ name: 'SECRET', value: base64('s3cret-of-the-job') }],
      commands: [{ directive: 'echo "hosted ${#SECRET}"' }],
      epilogue_always_commands: [{ directive: 'echo "$SEMAPHORE_JOB_RESULT"' }],
      callbacks: { finished: `${callbacks.url}/finished`, teardown_finished: `${callbacks.url}/teardown` },
    };
    expect(await ask(`${url}/jobs`, { method: 'POST', body: job })).toEqual({ status: 200, body: '{"message": "ok"}' });
    let log = '';
    for (const end = Date.now() + 60_000; !log.includes('job_finished') && Date.now() < end;) {
      log = (await ask(`${url}/jobs/j1/log?start_from=0`)).body;
    }
    expect(renderEvents(log.trimEnd().split('\n'))).toEqual([
      'job_started',
      'directive: Exporting environment variables',
      'Exporting SECRET\n',
      'Exit Code: 0',
      'directive: Injecting Files',
      'Exit Code: 0',
      'directive: echo "hosted ${#SECRET}"',
      'hosted 17\n',
      'Exit Code: 0',
      'directive: Exporting environment variables',
      'Exporting SEMAPHORE_JOB_RESULT\n',
      'Exit Code: 0',
      'directive: echo "$SEMAPHORE_JOB_RESULT"',
      'passed\n',
      'Exit Code: 0',
      'job_finished: passed',
    ]);
    expect(callbacks.calls).toEqual(['/finished {"result": "passed"}']);
    await ask(`${url}/jobs/j1/log?start_from=0`, { headers: { 'x-client-name': 'archivator' } });
    await until(() => callbacks.calls.includes('/teardown {}'), 'the second callback');

    const own = (await ask(`${url}/agent_logs`)).body;
    expect(own).toMatch(/^\w{3} [ \d]\d \S+ : The agent is listening|url=/);
    expect(own).toMatch(/"POST \/jobs HTTP\/1\.1" 200/);
    expect(own).not.toMatch(/s3cret-of-the-job|TzRVcsp/);
    expect(existsSync(place.log)).toBe(true);
    agent.kill('SIGTERM');
    expect(await agent.ended).toEqual({ code: 0, signal: null });
  });

  it.each<[string[], number, 'out' | 'err', RegExp]>([
    [[], 1, 'out', / : Auth token is empty\n/],
    [['--auth-token-secret', 's'], 1, 'out', / : cannot read the TLS certificate .*server\.crt/],
    [
      ['--auth-token-secret', 's', '--files', 'a'],
      1,
      'out',
      / : Error parsing --files: a is not a valid file injection\n/,
    ],
    [['--auth-token-secret', 's', '--port', 'x'], 2, 'err', /^Error: invalid argument "x" for --port/],
    [['--statsd', 'x'], 2, 'err', /^Error: unknown flag: --statsd\n/],
  ])('cannot begin: %j', async (args, code, where, text) => {
    const place = newPlace();
    const agent = startProgram(bin(), ['serve', ...args], { env: place.env, cwd: place.home });
    expect(await agent.ended).toMatchObject({ code });
    expect(agent[where]()).toMatch(text);
    expect(agent[where === 'out' ? 'err' : 'out']()).toBe('');
  });

  it('has no files or variables beside its flags', async () => {
    const place = newPlace();
    const env = { ...place.env, SEMAPHORE_AGENT_AUTH_TOKEN_SECRET: secret };
    const agent = startProgram(bin(), ['serve', '--config', join(place.home, 'x.yaml')], { env, cwd: place.home });
    expect(await agent.ended).toMatchObject({ code: 2 });
    expect(agent.err()).toMatch(/^Error: unknown flag: --config\n/);
  });
});
