import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { serveAgent } from '../../src/agent/hosted/index.ts';
import { systemClock } from '../../src/lib/index.ts';
import { closeServers, serveHttp } from '../http/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type Answer, ask, postJob, recordingLogger, secret, until } from './hosted-client.ts';
import { base64, directives, expectNobody, hookThat, toucher, variable } from './job-setup.ts';

/** `agent serve` with real jobs: TLS sockets, bash in a pseudo-terminal, callbacks over HTTP. */

afterEach(closeServers);

interface Call {
  path: string;
  body: string;
  authorization: string | undefined;
  /** What `/jobs/{id}/log` says at that moment. */
  log: string;
}

interface Agent {
  url: string;
  home: string;
  state: string;
  jumpPoint: string;
  calls: Call[];
  callbacks: Readonly<Record<string, string>>;
  log: () => string;
  interrupt: () => void;
  quit: () => void;
  exitCode: Promise<number>;
}

interface AgentSetup {
  home?: string;
  preJobHookPath?: string;
  callbackAttempts?: number;
  /** Statuses of the callbacks by path. */
  answers?: Readonly<Record<string, number>>;
  env?: Readonly<Record<string, string>>;
  jumpPoint?: string;
  maskJobSecrets?: boolean;
}

async function startAgent(setup: AgentSetup = {}): Promise<Agent> {
  const home = setup.home ?? tempDir();
  const state = join(tempDir(), 'state');
  const jumpPoint = setup.jumpPoint ?? join(tempDir(), 'ssh_jump_point');
  const calls: Call[] = [];
  const record = async (path: string, body: string, authorization: string | undefined): Promise<void> => {
    const { body: log } = await ask(agent.url, '/jobs/job-1/log');
    calls.push({ path, body, authorization, log });
  };
  const broker = await serveHttp((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
    request.on('end', () => {
      const { url: path = '', headers } = request;
      void record(path, body, headers.authorization).then(() => response.writeHead(setup.answers?.[path] ?? 200).end());
    });
  });
  const interrupted = new AbortController();
  const quit = new AbortController();
  const { logger, lines } = recordingLogger();
  const agent = { url: '' };
  const exitCode = serveAgent({
    serve: {
      authTokenSecret: secret,
      host: '127.0.0.1',
      port: 0,
      tls: { certPath: join(home, 'server.crt'), keyPath: join(home, 'server.key'), selfSigned: true },
      statsd: undefined,
      callbackAttempts: setup.callbackAttempts ?? 2,
      preJobHookPath: setup.preJobHookPath ?? '',
      files: [],
      exposeKvmDevice: true,
      maskJobSecrets: setup.maskJobSecrets ?? false,
    },
    version: 'v9.9.9',
    agentLogFile: undefined,
    accessLog: () => undefined,
    onListening: ({ url }) => (agent.url = url),
    signals: { interrupted: interrupted.signal, quit: quit.signal },
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: home,
      LANG: 'C.UTF-8',
      SEMAPHORE_AGENT_STATE_DIR: state,
      ...setup.env,
    },
    cwd: home,
    jumpPoint,
    clock: systemClock,
    logger,
  });
  onTestFinished(async () => {
    interrupted.abort('SIGTERM');
    quit.abort('SIGTERM');
    await exitCode.catch(() => undefined);
  });
  await until(() => agent.url !== '', 'the agent to listen');
  return {
    url: agent.url,
    home,
    state,
    jumpPoint,
    calls,
    callbacks: { finished: `${broker.url}/finished`, teardown_finished: `${broker.url}/teardown`, token: 'cb.token' },
    log: () => JSON.stringify(lines),
    interrupt: () => interrupted.abort('SIGTERM'),
    quit: () => quit.abort('SIGTERM'),
    exitCode,
  };
}

const archivator = { headers: { 'x-client-name': 'archivator' } };

/** Pulls the log line by line, as the server's broker does, until the end of the job. */
async function pull(url: string): Promise<Record<string, unknown>[]> {
  const events: Record<string, unknown>[] = [];
  await until(
    async () => {
      const { status, body } = await ask(url, `/jobs/job-1/log?start_from=${events.length}`);
      expect(status).toBe(200);
      for (const line of body.split('\n').slice(0, -1)) events.push(JSON.parse(line));
      return events.at(-1)?.['event'] === 'job_finished';
    },
    'job_finished',
    60_000,
  );
  return events;
}

/** What a reader would see of a log. */
function storyOf(events: readonly Record<string, unknown>[]): string[] {
  return events.map(({ event, directive, output, exit_code, result }) => {
    if (event === 'cmd_started') return `$ ${String(directive)}`;
    if (event === 'cmd_output') return String(output);
    if (event === 'cmd_finished') return `= ${String(exit_code)}`;
    return event === 'job_finished' ? `job_finished ${String(result)}` : String(event);
  });
}

async function untilRemoved(url: string): Promise<Answer> {
  let answer: Answer | undefined;
  await until(async () => {
    answer = await ask(url, '/jobs/job-1/log');
    return answer.status === 500;
  }, 'the log to be removed');
  // oxlint-disable-next-line typescript/no-non-null-assertion -- the condition has set it
  return answer!;
}

const logs = (state: string): string[] => (existsSync(join(state, 'logs')) ? readdirSync(join(state, 'logs')) : []);

describe('agent serve', { timeout: 120_000 }, () => {
  it('runs a job with everything used, from the request to the last callback', async () => {
    const agent = await startAgent();
    const answer = await postJob(agent.url, {
      job_id: 'job-1',
      job_name: 'ignored by the agent',
      executor: 'shell',
      ssh_public_keys: [],
      compose: { containers: [], image_pull_credentials: [], host_setup_commands: [] },
      env_vars: [variable('CI', 'true'), variable('GREETING', "it's fine $HOME")],
      files: [
        { path: '~/.npmrc', content: base64('audit=false\n'), mode: '0600' },
        { path: 'relative/note.txt', content: base64('hi\n'), mode: '0644' },
      ],
      commands: [{ directive: 'echo "$GREETING"', alias: 'Greet' }, { directive: 'cat relative/note.txt' }],
      epilogue_always_commands: directives('echo result is $SEMAPHORE_JOB_RESULT'),
      epilogue_on_pass_commands: directives('echo good'),
      epilogue_on_fail_commands: directives('echo bad'),
      callbacks: agent.callbacks,
      logger: { method: 'pull' },
    });
    expect(answer).toMatchObject({ status: 200, body: '{"message": "ok"}' });
    const events = await pull(agent.url);
    expect(storyOf(events)).toEqual([
      'job_started',
      '$ Exporting environment variables',
      'Exporting CI\n',
      'Exporting GREETING\n',
      '= 0',
      '$ Injecting Files',
      `Injecting ${agent.home}/.npmrc with file mode 0600\n`,
      `Injecting ${agent.home}/relative/note.txt with file mode 0644\n`,
      '= 0',
      '$ Greet',
      'Running: echo "$GREETING"\n',
      "it's fine $HOME\n",
      '= 0',
      '$ cat relative/note.txt',
      'hi\n',
      '= 0',
      '$ Exporting environment variables',
      'Exporting SEMAPHORE_JOB_RESULT\n',
      '= 0',
      '$ echo result is $SEMAPHORE_JOB_RESULT',
      'result is passed\n',
      '= 0',
      '$ echo good',
      'good\n',
      '= 0',
      'job_finished passed',
    ]);
    // The result is told before the log ends; the teardown waits for the archivator.
    expect(agent.calls).toMatchObject([
      { path: '/finished', body: '{"result": "passed"}', authorization: 'Bearer cb.token' },
    ]);
    expect(agent.calls[0]?.log).not.toContain('job_finished');
    expect(readFileSync(join(agent.home, '.bash_profile'), 'utf8')).toMatch(/^source .*env-1\nsource .*env-2\n$/);
    const archive = await ask(agent.url, '/jobs/job-1/log', archivator);
    expect(archive.body.trimEnd().split('\n')).toHaveLength(events.length);
    await until(() => agent.calls.length === 2, 'the last callback');
    expect(agent.calls[1]).toMatchObject({ path: '/teardown', body: '{}', authorization: 'Bearer cb.token' });
    expect((await untilRemoved(agent.url)).body).toMatch(/^ENOENT: no such file or directory.*\n$/);
    expect(logs(agent.state)).toEqual([]);
    expect((await ask(agent.url, '/status')).body).toContain('job-received');
    agent.interrupt();
    expect(await agent.exitCode).toBe(0);
  });

  it('gives every word of the log the chance to be read while the job runs', async () => {
    const agent = await startAgent();
    const gate = join(agent.home, 'gate');
    const commands = directives('echo first', `until [ -e ${gate} ]; do sleep 0.05; done`);
    await postJob(agent.url, { job_id: 'job-1', commands, callbacks: agent.callbacks });
    await until(async () => (await ask(agent.url, '/jobs/job-1/log')).body.includes('first\\n'), 'the first output');
    const { body } = await ask(agent.url, '/jobs/job-1/log');
    expect(body.endsWith('\n')).toBe(true);
    const lines = body.split('\n').length - 1;
    expect((await ask(agent.url, `/jobs/job-1/log?start_from=${lines}`)).body).toBe('');
    writeFileSync(gate, '');
    const rest = await pull(agent.url);
    expect((await ask(agent.url, '/jobs/job-1/log')).body.startsWith(body)).toBe(true);
    expect(storyOf(rest).at(-1)).toBe('job_finished passed');
  });

  it.each(['/stop', '/jobs/terminate'])('%s ends the whole tree of a job', async (path) => {
    const agent = await startAgent();
    const left = `touch ~/a ~/b; ${toucher('a', 'nohup')} ${toucher('b', 'setsid')} echo here; sleep 300`;
    await postJob(agent.url, { job_id: 'job-1', commands: directives(left, 'echo never'), callbacks: agent.callbacks });
    await until(async () => (await ask(agent.url, '/jobs/job-1/log')).body.includes('here\\n'), 'the command');
    expect(await ask(agent.url, path, { method: 'POST' })).toMatchObject({ status: 200, body: '' });
    const story = storyOf(await pull(agent.url));
    expect(story.slice(-3)).toEqual(['here\n', '= 1', 'job_finished stopped']);
    expect(agent.calls[0]?.body).toBe('{"result": "stopped"}');
    for (const file of ['a', 'b']) await expectNobody(join(agent.home, file));
  });

  it('ends a job and its teardown although its callback fails for good', async () => {
    const agent = await startAgent({ answers: { '/finished': 500 } });
    await postJob(agent.url, { job_id: 'job-1', commands: directives('false'), callbacks: agent.callbacks });
    expect(storyOf(await pull(agent.url)).at(-1)).toBe('job_finished failed');
    expect(agent.calls.map(({ path }) => path)).toEqual(['/finished', '/finished']);
    await ask(agent.url, '/jobs/job-1/log', archivator);
    await until(() => agent.calls.length === 3, 'the last callback');
    expect(agent.calls[2]?.path).toBe('/teardown');
    expect(agent.log()).toContain('The result of the job could not be told');
  });

  it('does not wait for callbacks that have no URL', async () => {
    const agent = await startAgent({ callbackAttempts: 300 });
    await postJob(agent.url, { job_id: 'job-1', commands: directives('true') });
    expect(storyOf(await pull(agent.url)).at(-1)).toBe('job_finished passed');
    await ask(agent.url, '/jobs/job-1/log', archivator);
    await untilRemoved(agent.url);
  });

  it.each([
    ['an unknown executor', { executor: 'vm' }, 'unknown executor type: vm'],
    [
      'containers but none to run in',
      { executor: 'dockercompose', compose: {} },
      'a dockercompose job names no container',
    ],
    ['an unknown logger', { logger: { method: 'carrier pigeon' } }, 'unknown logger type: carrier pigeon'],
    ['a log that is pushed', { logger: { method: 'push', url: 'https://x.test' } }, 'the job wants its log pushed'],
  ])('refuses a job with %s, and takes the next one', async (_what, fields, words) => {
    const agent = await startAgent();
    const answer = await postJob(agent.url, { job_id: 'bad', ...fields });
    expect(answer.status).toBe(500);
    const [text = '', json = ''] = answer.body.split('\n');
    expect(text).toContain(words);
    expect(JSON.parse(json)).toEqual({ message: text });
    expect((await ask(agent.url, '/status')).body).toContain('waiting-for-job');
    expect(logs(agent.state)).toEqual([]);
    await postJob(agent.url, { job_id: 'job-1', commands: directives('true') });
    expect(storyOf(await pull(agent.url)).at(-1)).toBe('job_finished passed');
  });

  it('sources the pre-job hook, and fails the job with it', async () => {
    const good = await startAgent({ preJobHookPath: hookThat('export FROM_HOOK=sourced') });
    await postJob(good.url, { job_id: 'job-1', commands: directives('echo is $FROM_HOOK') });
    expect(storyOf(await pull(good.url))).toEqual(
      expect.arrayContaining([
        '$ Running the pre-job hook configured in the agent',
        'Warning: The agent is configured to fail the job if the pre-job hook fails.\n',
        'is sourced\n',
      ]),
    );
    const bad = await startAgent({ preJobHookPath: hookThat('return 7') });
    await postJob(bad.url, { job_id: 'job-1', commands: directives('echo never') });
    const story = storyOf(await pull(bad.url));
    expect(story).toContain('= 7');
    expect(story).not.toContain('never\n');
    expect(story.at(-1)).toBe('job_finished failed');
  });

  it.each([
    ['always', true],
    ['never', false],
    ['sometimes', false],
  ])('uploads its log as the job says: %s', async (policy, isUploaded) => {
    const tools = tempDir();
    const told = join(tools, 'told');
    writeFileSync(join(tools, 'artifact'), `#!/bin/sh\necho "$* $SEMAPHORE_JOB_ID" >${told}\n`);
    chmodSync(join(tools, 'artifact'), 0o755);
    const agent = await startAgent({ env: { PATH: `${tools}:${process.env['PATH'] ?? ''}` } });
    const upload = [
      variable('SEMAPHORE_AGENT_UPLOAD_JOB_LOGS', policy),
      variable('SEMAPHORE_ARTIFACT_TOKEN', 'artifact.token'),
      variable('SEMAPHORE_ORGANIZATION_URL', 'https://acme.example.test'),
    ];
    await postJob(agent.url, { job_id: 'job-1', env_vars: upload, commands: directives('true') });
    await pull(agent.url);
    await ask(agent.url, '/jobs/job-1/log', archivator);
    await untilRemoved(agent.url);
    expect(existsSync(told)).toBe(isUploaded);
    if (isUploaded) expect(readFileSync(told, 'utf8')).toMatch(/^push job .* -d agent\/job_logs.txt job-1\n$/);
  });
});

describe('remote access of a hosted job', { timeout: 120_000 }, () => {
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHRlc3Q= debug';

  it('adds the keys for nobody else to read, and a jump point that leads into a shell', async () => {
    const jumpPoint = join(tempDir(), 'ssh_jump_point');
    writeFileSync(jumpPoint, 'echo the tail of a longer script\n'.repeat(100), { mode: 0o666 });
    const agent = await startAgent({ jumpPoint });
    mkdirSync(join(agent.home, '.ssh'), { mode: 0o700 });
    writeFileSync(join(agent.home, '.ssh/authorized_keys'), 'ssh-rsa AAAA older', { mode: 0o600 });
    await postJob(agent.url, { job_id: 'job-1', ssh_public_keys: [base64(key), base64(`${key}-2`)] });
    await pull(agent.url);
    const authorized = join(agent.home, '.ssh/authorized_keys');
    expect(readFileSync(authorized, 'utf8')).toBe(`ssh-rsa AAAA older\n${key}\n${key}-2\n`);
    expect(statSync(authorized).mode & 0o777).toBe(0o600);
    expect(readFileSync(jumpPoint, 'utf8')).not.toContain('tail of a longer');
    expect(statSync(jumpPoint).mode & 0o133).toBe(0);
    const { stdout } = await promisify(execFile)('bash', [jumpPoint, 'echo', 'a b', '$HOME']);
    expect(stdout).toBe('a b $HOME\n');
  });

  it('makes the directory of the keys private', async () => {
    const agent = await startAgent();
    await postJob(agent.url, { job_id: 'job-1', ssh_public_keys: [base64(key)] });
    await pull(agent.url);
    expect(statSync(join(agent.home, '.ssh')).mode & 0o777).toBe(0o700);
    expect(statSync(join(agent.home, '.ssh/authorized_keys')).mode & 0o777).toBe(0o600);
  });

  it('fails a job whose keys are not base64, before anything else', async () => {
    const agent = await startAgent();
    const commands = directives('echo never');
    await postJob(agent.url, {
      job_id: 'job-1',
      ssh_public_keys: ['not base64!'],
      commands,
      callbacks: agent.callbacks,
    });
    expect(storyOf(await pull(agent.url))).toEqual(['job_started', 'job_finished failed']);
    expect(agent.calls[0]?.body).toBe('{"result": "failed"}');
    expect(existsSync(join(agent.home, '.ssh'))).toBe(false);
    expect(agent.log()).toContain('ssh_public_keys[0] of the job is not base64');
  });
});

describe('two agents on one host', { timeout: 120_000 }, () => {
  it('do not meet, even with one home directory and one jump point', async () => {
    const home = tempDir();
    const jumpPoint = join(tempDir(), 'ssh_jump_point');
    const agents = await Promise.all([startAgent({ home, jumpPoint }), startAgent({ home, jumpPoint })]);
    const words = ['one', 'two'];
    const texts = await Promise.all(
      agents.map(async ({ url }, index) => {
        const word = words[index] ?? '';
        const commands = Array.from({ length: 20 }, (_, count) => ({ directive: `echo $WHO ${word} ${count}` }));
        await postJob(url, {
          job_id: 'job-1',
          ssh_public_keys: [base64(`ssh-ed25519 AAAA ${word}`)],
          env_vars: [variable('WHO', word)],
          commands,
        });
        return storyOf(await pull(url)).join('');
      }),
    );
    for (const [index, text] of texts.entries()) {
      const [mine = '', other = ''] = index === 0 ? words : [...words].reverse();
      expect(text.endsWith('job_finished passed')).toBe(true);
      for (let count = 0; count < 20; count += 1) expect(text).toContain(`${mine} ${mine} ${count}\n`);
      expect(text).not.toContain(other);
    }
    const keys = readFileSync(join(home, '.ssh/authorized_keys'), 'utf8').trimEnd().split('\n');
    expect(keys.sort()).toEqual(['ssh-ed25519 AAAA one', 'ssh-ed25519 AAAA two']);
    expect(readFileSync(jumpPoint, 'utf8')).toMatch(/^#!\/bin\/bash\n[^]*\nfi\n$/);
  });
});

describe('the end of agent serve', { timeout: 120_000 }, () => {
  it('by a signal stops the job, tells its result, and lets its log be fetched', async () => {
    const agent = await startAgent();
    const left = `touch ~/a; ${toucher('a', 'setsid')} echo here; sleep 300`;
    await postJob(agent.url, { job_id: 'job-1', commands: directives(left), callbacks: agent.callbacks });
    await until(async () => (await ask(agent.url, '/jobs/job-1/log')).body.includes('here\\n'), 'the command');
    agent.interrupt();
    expect(storyOf(await pull(agent.url)).at(-1)).toBe('job_finished stopped');
    expect(await postJob(agent.url, { job_id: 'job-2' })).toMatchObject({ status: 503 });
    await ask(agent.url, '/jobs/job-1/log', archivator);
    expect(await agent.exitCode).toBe(0);
    expect(agent.calls.map(({ path, body }) => [path, body])).toEqual([
      ['/finished', '{"result": "stopped"}'],
      ['/teardown', '{}'],
    ]);
    await expectNobody(join(agent.home, 'a'));
    await expect(ask(agent.url, '/is_alive')).rejects.toThrow(/ECONNREFUSED/);
  });

  it('by another one does not wait for callbacks or the archivator, and keeps the log', async () => {
    const agent = await startAgent({ callbackAttempts: 300, answers: { '/finished': 500, '/teardown': 500 } });
    await postJob(agent.url, {
      job_id: 'job-1',
      commands: directives('echo said', 'sleep 300'),
      callbacks: agent.callbacks,
    });
    await until(async () => (await ask(agent.url, '/jobs/job-1/log')).body.includes('said\\n'), 'the command');
    agent.interrupt();
    agent.quit();
    expect(await agent.exitCode).toBe(143);
    const [left = ''] = logs(agent.state);
    expect(readFileSync(join(agent.state, 'logs', left, 'events.jsonl'), 'utf8')).toMatch(/said\\n[^]*job_finished/);
    expect(agent.log()).toContain('the agent ends before the log was fetched');
  });

  it('without a job is quick', async () => {
    const agent = await startAgent();
    agent.interrupt();
    expect(await agent.exitCode).toBe(0);
  });
});
