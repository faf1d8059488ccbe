import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderEvents } from '../../src/agent/playground/hub/index.ts';
import { startLenientHub, startTestHub, status, type TestHub } from '../ci-hub/index.ts';
import {
  type AgentProcess,
  base64,
  builtAgent,
  isRunning,
  newPlace,
  type Place,
  startProgram,
  until,
} from './agent-support.ts';

const { bin } = builtAgent();
const secret = 'very-secret-value-8817';

interface Started {
  hub: TestHub;
  place: Place;
  agent: AgentProcess;
}

async function start(
  args: readonly string[] = [],
  options: { hub?: TestHub; place?: Place; env?: object } = {},
): Promise<Started> {
  const hub = options.hub ?? (await startTestHub({ nextSyncAfterMs: [100, 200] }));
  const place = options.place ?? newPlace();
  const env = { ...place.env, SEMAPHORE_AGENT_TOKEN: hub.token, ...options.env };
  const agent = startProgram(bin(), ['start', '--endpoint', hub.endpoint, '--no-https', ...args], {
    env,
    cwd: place.home,
  });
  return { hub, place, agent };
}

async function finished(hub: TestHub, id: string, agent: AgentProcess): Promise<string> {
  await until(
    () => hub.job(id).result !== undefined,
    `the end of job ${id}`,
    () => agent.out() + agent.err(),
  );
  return hub.job(id).result ?? '';
}

const directives = (hub: TestHub, id: string) => renderEvents(hub.job(id).lines);
const runs = (directive: string, more: object = {}) => ({ commands: [{ directive }], ...more });

/** What was written by a command of the job, as a number. */
async function numberIn(file: string): Promise<number> {
  const read = () => (existsSync(file) ? readFileSync(file, 'utf8').trim() : '');
  await until(() => /^\d+$/.test(read()), `a number in ${file}`);
  return Number(read());
}

describe('agent start', { timeout: 120_000 }, () => {
  it('runs a job with everything used, and ends when the server says so', async () => {
    const place = newPlace();
    const hook = join(place.home, 'pre.sh');
    writeFileSync(hook, 'echo pre-job; export FROM_HOOK=set');
    writeFileSync(join(place.home, 'post.sh'), 'echo "post-job $SEMAPHORE_JOB_RESULT"');
    writeFileSync(join(place.home, 'bye.sh'), `echo "$SEMAPHORE_AGENT_SHUTDOWN_REASON" > ${place.home}/reason`);
    const config = join(place.home, 'agent.yaml');
    const lines = [
      'name: builder-eu-07',
      `pre-job-hook-path: ${hook}`,
      'source-pre-job-hook: true',
      `post-job-hook-path: ${place.home}/post.sh`,
      `shutdown-hook-path: ${place.home}/bye.sh`,
      'env-vars: ["FROM_AGENT=a=b", "CI=host wins"]',
    ];
    writeFileSync(config, lines.join('\n'));
    const { hub, agent } = await start(['--config', config], { place });
    const id = hub.enqueue({
      job_name: 'ignored by the agent',
      executor: 'shell',
      ssh_public_keys: [],
      compose: { containers: [], image_pull_credentials: [], host_setup_commands: [] },
      env_vars: [
        { name: 'CI', value: base64('true') },
        { name: 'GREETING', value: base64("it's fine $HOME") },
        { name: 'SECRET', value: base64(secret) },
      ],
      files: [
        { path: '~/.npmrc', content: base64('audit=false\n'), mode: '0600' },
        { path: join(place.home, 'opt/run.sh'), content: base64('#!/bin/sh\necho run\n'), mode: '0755' },
        { path: 'relative/note.txt', content: base64('hi\n'), mode: '0644' },
      ],
      commands: [
        { directive: 'echo "$GREETING $CI $FROM_AGENT $FROM_HOOK"', alias: 'Show variables' },
        { directive: 'cat relative/note.txt .npmrc; ~/opt/run.sh; cd /; greet() { echo "still $PWD"; }' },
        { directive: 'greet; umask; env | grep -c SEMAPHORE_AGENT_TOKEN', alias: '' },
        { directive: 'true' },
      ],
      epilogue_always_commands: [{ directive: 'echo result is $SEMAPHORE_JOB_RESULT' }],
      epilogue_on_pass_commands: [{ directive: 'echo good' }],
      epilogue_on_fail_commands: [{ directive: 'echo bad' }],
      callbacks: { finished: '', teardown_finished: '', token: '' },
    });
    // The variable of the token is not there: grep finds none, and says so with 1.
    expect(await finished(hub, id, agent)).toBe('failed');
    expect(directives(hub, id)).toEqual([
      'job_started',
      'directive: Exporting environment variables',
      'Exporting CI\nExporting FROM_AGENT\nExporting GREETING\nExporting SECRET\n',
      'Exit Code: 0',
      'directive: Injecting Files',
      `Injecting ${place.home}/.npmrc with file mode 0600\nInjecting ${place.home}/opt/run.sh with file mode 0755\nInjecting ${place.home}/relative/note.txt with file mode 0644\n`,
      'Exit Code: 0',
      'directive: Running the pre-job hook configured in the agent',
      `Running: source ${hook}\nWarning: The agent is configured to proceed with the job even if the pre-job hook fails.\npre-job\n`,
      'Exit Code: 0',
      'directive: Show variables',
      `Running: echo "$GREETING $CI $FROM_AGENT $FROM_HOOK"\nit's fine $HOME host wins a=b set\n`,
      'Exit Code: 0',
      'directive: cat relative/note.txt .npmrc; ~/opt/run.sh; cd /; greet() { echo "still $PWD"; }',
      'hi\naudit=false\nrun\n',
      'Exit Code: 0',
      'directive: greet; umask; env | grep -c SEMAPHORE_AGENT_TOKEN',
      `still /\n${process.umask().toString(8).padStart(4, '0')}\n0\n`,
      'Exit Code: 1',
      'directive: Exporting environment variables',
      'Exporting SEMAPHORE_JOB_RESULT\n',
      'Exit Code: 0',
      'directive: echo result is $SEMAPHORE_JOB_RESULT',
      'result is failed\n',
      'Exit Code: 0',
      'directive: echo bad',
      'bad\n',
      'Exit Code: 0',
      'directive: Running the post-job hook configured in the agent',
      `Running: bash ${place.home}/post.sh\npost-job failed\n`,
      'Exit Code: 0',
      'job_finished: failed',
    ]);
    expect(statSync(join(place.home, '.npmrc')).mode & 0o777).toBe(0o600);

    hub.disable('builder-eu-07');
    expect(await agent.ended).toEqual({ code: 0, signal: null });
    expect(readFileSync(join(place.home, 'reason'), 'utf8')).toBe('REQUESTED\n');
    expect(hub.agents()).toEqual([]);
    const log = place.readLog();
    expect(agent.out()).toBe(log);
    expect(log).toMatch(/^\w{3} [ \d]\d \d\d:\d\d:\d\d\.\d{3} builder-eu-07 : Starting Agent\n/);
    expect(log).toMatch(/ builder-eu-07 : Agent shutting down due to: REQUESTED\n$/);
    for (const hidden of [secret, hub.token, base64(secret), 'FROM_AGENT', 'audit=false'])
      expect(log).not.toContain(hidden);
    expect(readdirSync(place.tmp).filter((name) => !name.startsWith('semaphore-agent-'))).toEqual([]);
  });

  it('stops a job with all it has started', async () => {
    const { hub, place, agent } = await start();
    const file = join(place.home, 'pid');
    const id = hub.enqueue(
      runs(`setsid sleep 600 & echo $! > ${file}; nohup sleep 601`, {
        epilogue_always_commands: [{ directive: 'echo never' }],
      }),
    );
    const pid = await numberIn(file);
    hub.stopJob(id);
    expect(await finished(hub, id, agent)).toBe('stopped');
    await until(() => !isRunning(pid), 'the end of what ran in the background');
    expect(directives(hub, id).at(-1)).toBe('job_finished: stopped');
    expect(directives(hub, id).join()).not.toContain('never');
    const next = hub.enqueue(runs('echo after'));
    expect(await finished(hub, next, agent)).toBe('passed');
  });

  it('ends when it was idle for too long, and tells the hook why', async () => {
    const place = newPlace();
    writeFileSync(join(place.home, 'bye.sh'), `echo "$SEMAPHORE_AGENT_SHUTDOWN_REASON"`);
    const { agent } = await start(
      ['--disconnect-after-idle-timeout=1', '--shutdown-hook-path', join(place.home, 'bye.sh')],
      { place },
    );
    expect(await agent.ended).toMatchObject({ code: 0 });
    expect(place.readLog()).toMatch(/ line=IDLE : The shutdown hook says\n/);
  });

  it('ends after a single job', async () => {
    const hub = await startTestHub({ nextSyncAfterMs: [100, 200] });
    const id = hub.enqueue(runs('echo once'));
    const { agent, place } = await start(['--disconnect-after-job', '--job-id', id], { hub });
    expect(await agent.ended).toMatchObject({ code: 0 });
    expect(hub.job(id).result).toBe('passed');
    expect(place.readLog()).toMatch(/shutting down due to: JOB_FINISHED\n$/);
  });

  it.each([
    ['0', 'stopped'],
    ['60', 'passed'],
  ])('is interrupted with a grace period of %s s: the job is %s', async (grace, result) => {
    const { hub, place, agent } = await start(['--interruption-grace-period', grace]);
    const [pidFile, go] = [join(place.home, 'pid'), join(place.home, 'go')];
    const id = hub.enqueue(runs(`echo $$ > ${pidFile}; while [ ! -e ${go} ]; do sleep 0.05; done`));
    await numberIn(pidFile);
    agent.kill('SIGTERM');
    await until(() => hub.agents().some(({ interruptedAt }) => interruptedAt > 0), 'the report of the signal');
    if (grace !== '0') writeFileSync(go, '');
    expect(await agent.ended).toMatchObject({ code: 0 });
    expect(hub.job(id).result).toBe(result);
    expect(place.readLog()).toMatch(/shutting down due to: INTERRUPTED\n$/);
  });

  it('is ended at once by the third Ctrl-C, and leaves nothing running', async () => {
    const { hub, place, agent } = await start(['--interruption-grace-period', '600']);
    const file = join(place.home, 'pid');
    hub.enqueue(runs(`sleep 600 & echo $! > ${file}; wait`));
    const pid = await numberIn(file);
    for (let count = 0; count < 3; count += 1) {
      agent.kill('SIGINT');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await agent.ended).toMatchObject({ code: 130 });
    expect(isRunning(pid)).toBe(false);
  });

  it('does not meet another agent on the same host', async () => {
    const place = newPlace();
    const hub = await startTestHub({ nextSyncAfterMs: [100, 200] });
    const agents = await Promise.all(
      ['agent-one', 'agent-two'].map((name) =>
        start(['--name', name], {
          hub,
          place: { ...place, log: '', env: { ...place.env, SEMAPHORE_AGENT_LOG_FILE_PATH: join(place.home, name) } },
        }),
      ),
    );
    await until(() => hub.agents().length === 2, 'both agents');
    const ids = ['one', 'two'].map((word) =>
      hub.enqueue({
        env_vars: [{ name: 'WORD', value: base64(word) }],
        commands: Array.from({ length: 20 }, (_, index) => ({
          directive: `echo "${index} ${word} $WORD"; sleep 0.05`,
        })),
        epilogue_always_commands: [{ directive: 'echo "$WORD $SEMAPHORE_JOB_RESULT"' }],
      }),
    );
    for (const [index, id] of ids.entries()) {
      const { agent } = agents[index] ?? agents[0] ?? { agent: undefined };
      if (!agent) throw new Error('no agent');
      expect(await finished(hub, id, agent)).toBe('passed');
    }
    expect(new Set(ids.map((id) => hub.job(id).agent)).size).toBe(2);
    for (const [index, id] of ids.entries()) {
      const word = index === 0 ? 'one' : 'two';
      const outputs = directives(hub, id).filter((text) => new RegExp(`^\\d+ |^${word} `).test(text));
      expect(outputs).toEqual([
        ...Array.from({ length: 20 }, (_, at) => `${at} ${word} ${word}\n`),
        `${word} passed\n`,
      ]);
    }
  });

  it('masks what the job has been given, when told to', async () => {
    const { hub, agent } = await start(['--mask-job-secrets']);
    const id = hub.enqueue(
      runs('echo "it is $PASSWORD."', { env_vars: [{ name: 'PASSWORD', value: base64(secret) }] }),
    );
    expect(await finished(hub, id, agent)).toBe('passed');
    expect(directives(hub, id)).toContain('it is ***.\n');
  });
});

describe('agent start with a server', { timeout: 120_000 }, () => {
  it('that gives neither name nor token, and a URL for a name, which is in no log', async () => {
    const hub = await startLenientHub();
    const place = newPlace();
    const url = `https://sts.amazonaws.com/?Action=GetCallerIdentity&X-Amz-Signature=${'5f0c'.repeat(16)}`;
    const args = ['start', '--endpoint', hub.endpoint, '--token', hub.token, '--no-https', '--name', url];
    hub.schedule({
      job_id: 'j1',
      commands: [{ directive: 'echo lenient' }],
      logger: { method: 'push', url: `http://${hub.endpoint}/api/v1/logs/j1`, token: 't' },
    });
    const agent = startProgram(bin(), args, { env: place.env, cwd: place.home });
    const known = () => agent.out() + agent.err();
    await until(() => hub.finished.length > 0, 'the end of the job', known);
    expect(hub.finished).toEqual([{ id: 'j1', result: 'passed' }]);
    expect(renderEvents(hub.lines)).toContain('lenient\n');
    hub.shutDown();
    expect(await agent.ended).toMatchObject({ code: 0 });
    expect(hub.requests.at(-1)).toBe('POST /disconnect');
    expect(place.readLog()).toMatch(/^\w{3} [ \d]\d \S+ \[sts\.amazonaws\.com\] : Starting Agent\n/);
    expect(place.readLog()).not.toContain('Signature');
  });

  it('that does not take the log before the agent is killed: the next one delivers it', async () => {
    const hub = await startTestHub({ nextSyncAfterMs: [100, 200] });
    const fault = hub.fault({ path: /\/logs\//, times: 1_000_000 }, status(503));
    const first = await start([], { hub });
    const file = join(first.place.home, 'ran');
    const id = hub.enqueue({
      commands: [{ directive: 'echo precious' }, { directive: `echo 1 > ${file}; sleep 600` }],
    });
    await numberIn(file);
    await until(() => fault.hits > 0, 'an attempt to deliver');
    first.agent.kill('SIGKILL');
    await first.agent.ended;
    expect(hub.job(id).lines).toEqual([]);
    fault.cancel();
    const { agent } = await start([], { hub, place: first.place });
    const last = () => directives(hub, id).at(-1);
    await until(
      () => last() === 'job_finished: failed',
      'the log',
      () => agent.out() + agent.err(),
    );
    expect(directives(hub, id).join('\n')).toContain('precious\n');
  });
});

describe('agent start that cannot begin', { timeout: 60_000 }, () => {
  const run = async (args: string[], env: object = {}) => {
    const place = newPlace();
    const agent = startProgram(bin(), ['start', ...args], { env: { ...place.env, ...env }, cwd: place.home });
    const { code } = await agent.ended;
    return { code, out: agent.out(), err: agent.err(), place };
  };

  it('says in its log what is missing', async () => {
    const { code, out, err, place } = await run(['--endpoint', 'x.test']);
    expect({ code, err }).toEqual({ code: 1, err: '' });
    expect(out).toMatch(/^\S+ +\d+ \S+ : Agent registration token was not specified\. Exiting\.\.\.\n/);
    expect(place.readLog()).toBe(out);
  });

  it.each<[string[], number, RegExp]>([
    [['--bogus'], 2, /^Error: unknown flag: --bogus\nSee: semaphore agent start --help\n$/],
    [['--no-https=perhaps'], 2, /^Error: invalid argument "perhaps" for --no-https: expected true or false\n/],
    [['--disconnect-after-idle-timeout', '5m'], 2, /^Error: invalid argument "5m" for --disconnect-after-idle-timeout/],
    [['now'], 2, /^Error: unexpected argument: now\n/],
    [['--token'], 2, /^Error: flag needs an argument: --token\n/],
  ])('because of its command line: %j', async (args, expected, text) => {
    const { code, out, err } = await run(args);
    expect({ code, out }).toEqual({ code: expected, out: '' });
    expect(err).toMatch(text);
  });

  it.each<[string, Record<string, string>, number, RegExp]>([
    ['the level', { SEMAPHORE_AGENT_LOG_LEVEL: 'loud' }, 1, /Log level loud not supported/],
    ['the file', { SEMAPHORE_AGENT_LOG_FILE_PATH: '/' }, 1, /the log file \/ cannot be opened/],
    [
      'the directory',
      { SEMAPHORE_AGENT_LOG_FILE_PATH: '/dev/null/x/log' },
      2,
      /the directory of the log, .* cannot be made/,
    ],
  ])('because of %s of its log', async (_, env, expected, text) => {
    const { code, err } = await run([], env);
    expect(code).toBe(expected);
    expect(err).toMatch(text);
  });

  it('because of a key in its file', async () => {
    const place = newPlace();
    writeFileSync(join(place.home, 'c.yml'), 'endpoint: x\nexpose-kvm-device: true\n');
    const agent = startProgram(bin(), ['start', '--config-file', 'c.yml'], { env: place.env, cwd: place.home });
    expect(await agent.ended).toMatchObject({ code: 1 });
    expect(agent.out()).toMatch(/ : Unrecognized option 'expose-kvm-device'\. Exiting\.\.\.\n/);
  });

  it('because there is no Kubernetes, or the endpoint is a URL', async () => {
    const both = ['--token', 't', '--endpoint'];
    expect(await run([...both, 'x', '--kubernetes-executor'])).toMatchObject({
      code: 1,
      out: expect.stringContaining('no Kubernetes was found'),
    });
    expect(await run([...both, 'https://x'])).toMatchObject({ code: 1, out: expect.stringContaining('not a host') });
  });

  it('because nobody is there: it goes on trying, and ends with the signal', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const place = newPlace();
    const args = ['start', '--endpoint', `127.0.0.1:${port}`, '--token', 't', '--no-https'];
    const agent = startProgram(bin(), args, { env: place.env, cwd: place.home });
    await until(
      () => /registration/.test(agent.out()),
      'a failed attempt',
      () => agent.out() + agent.err(),
    );
    agent.kill('SIGINT');
    expect(await agent.ended).toMatchObject({ code: 0 });
  });
});
