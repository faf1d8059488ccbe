import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { runProgram } from '../support/built-program.ts';
import { inTerminal } from '../support/terminal.ts';
import { needs } from '../support/tools.ts';
import { base64, builtAgent, isRunning, newPlace, type Place, startProgram, until } from './agent-support.ts';

const { bin } = builtAgent();
const examples = join(import.meta.dirname, '../../examples/agent');

async function run(args: readonly string[], options: { place?: Place; input?: string } = {}) {
  const place = options.place ?? newPlace();
  const { code, out, err } = await runProgram(bin(), ['run', ...args], {
    env: place.env,
    cwd: place.home,
    ...(options.input !== undefined && { input: options.input }),
  });
  return {
    code,
    err,
    place,
    out: out.replaceAll(/ {2}(\d+ min )?[\d.]+ m?s$/gm, '').replaceAll(/after .*s$/gm, 'after …'),
  };
}

function jobFile(place: Place, name: string, text: string | object): string {
  const file = join(place.home, name);
  writeFileSync(file, typeof text === 'string' ? text : JSON.stringify(text));
  return file;
}

const command = (directive: string) => ({ commands: [{ directive }] });

describe('agent run', { timeout: 120_000 }, () => {
  it('shows a job and its result', async () => {
    expect(await run([join(examples, 'hello.yaml')])).toMatchObject({
      code: 0,
      err: '',
      out: `✓ Exporting environment variables (1)
✓ Injecting Files
▶ Say hello
Running: echo "Hello, $WHO!"
Hello, world!
✓ Say hello
▶ for number in 1 2 3; do … (3 more lines)
line 1
line 2
line 3
✓ for number in 1 2 3; do … (3 more lines)
✓ Exporting environment variables (1)
▶ echo "The job has $SEMAPHORE_JOB_RESULT"
The job has passed
✓ echo "The job has $SEMAPHORE_JOB_RESULT"

Job passed after …
`,
    });
  });

  it('runs the job that uses everything (spec CI 4.6) on the shell executor, with a log that is shown instead of pushed', async () => {
    const place = newPlace();
    const whole = readFileSync(join(import.meta.dirname, '../protocol/ci-full-job.json'), 'utf8');
    const given: object = {
      ...JSON.parse(whole.replaceAll('/opt/ci/run.sh', join(place.home, 'opt/ci/run.sh'))),
      executor: 'shell',
      logger: { method: 'pull' },
    };
    mkdirSync(join(place.home, 'bin'));
    const npm = join(place.home, 'bin', 'npm');
    writeFileSync(npm, '#!/bin/sh\necho "npm $1 $CI $GREETING"; cat ~/.npmrc ~/relative/note.txt; ~/opt/ci/run.sh\n', {
      mode: 0o755,
    });
    place.env['PATH'] = `${join(place.home, 'bin')}:${place.env['PATH'] ?? ''}`;
    writeFileSync(join(place.home, '.bash_profile'), `export PATH=${place.env['PATH']}\n`);
    const { code, out } = await run([jobFile(place, 'job.json', given)], { place });
    expect(out).toContain('▶ Install dependencies\nRunning: npm ci\n');
    for (const word of ['ci', 'test'])
      expect(out).toContain(`npm ${word} true it's fine $HOME\naudit=false\nhi\nrun\n`);
    expect(out).toContain('result is passed\n');
    expect(out).toContain('\ngood\n');
    expect(out).not.toContain('bad');
    expect([code, out.trimEnd().split('\n').at(-1)]).toEqual([0, 'Job passed after …']);
  });

  it.each([
    ['epilogues.yaml', 1, /Something went wrong\n[\s\S]*Job failed/],
    ['early-exit.yaml', 0, /marking it as passed\n[\s\S]*Job passed/],
    ['files.json', 0, /Hello from a file\n[\s\S]*Job passed/],
  ])('runs the example %s', async (name, code, text) => {
    const result = await run([join(examples, name)]);
    expect({ code: result.code, out: result.out }).toEqual({ code, out: expect.stringMatching(text) });
  });

  it.each<[string, number]>([
    ['true', 0],
    ['exit 3', 1],
    ['(exit 7)', 1],
    ['return 130', 130],
  ])('ends with the code of the result: %s', async (directive, code) => {
    const place = newPlace();
    const file = jobFile(place, 'job.json', command(directive));
    expect((await run([file], { place })).code).toBe(code);
    expect((await run(['--exit-zero', file], { place })).code).toBe(0);
  });

  it('takes file and files, and numbers without quotes, in YAML', async () => {
    const place = newPlace();
    const yaml = `executor: shell
file:
  - {path: one.txt, mode: 0640, content: ${base64('one')}}
files:
  - {path: ~/two.txt, mode: "0600", content: ${base64('two')}}
env_vars:
  - {name: NUMBER, value: MTI=}
commands:
  - directive: cat ~/one.txt two.txt; echo $NUMBER
logger: {method: pull, max_size_in_bytes: 1048576}
`;
    const { code, out } = await run([jobFile(place, 'job.yaml', yaml)], { place });
    expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining('twoone12\n'.replace('twoone', 'onetwo')) });
    expect(statSync(join(place.home, 'one.txt')).mode & 0o777).toBe(0o640);
  });

  it('prints the events as they are', async () => {
    const place = newPlace();
    const { code, out } = await run(['--events', jobFile(place, 'job.json', command('printf "a<b"'))], { place });
    expect(code).toBe(0);
    const events = out.trimEnd().split('\n');
    expect(events[0]).toMatch(/^\{"event":"job_started","timestamp":\d+\}$/);
    expect(events.some((line) => line.endsWith(String.raw`"output":"a\u003cb"}`))).toBe(true);
    expect(events.at(-1)).toMatch(/"result":"passed"\}$/);
  });

  it('reads a job from standard input, and unfolds groups', async () => {
    const { code, out } = await run(['-', '--unfold'], {
      input: 'env_vars: [{name: A, value: MQ==}]\ncommands: [{directive: echo $A}]\n',
    });
    expect(code).toBe(0);
    expect(out).toMatch(/^▶ Exporting environment variables\nExporting A\n/);
  });

  it('masks what the job has been given when told to', async () => {
    const place = newPlace();
    const job = { env_vars: [{ name: 'PASSWORD', value: base64('hunter2-hunter2') }], ...command('echo $PASSWORD') };
    const { out } = await run(['--mask-job-secrets', jobFile(place, 'job.json', job)], { place });
    expect(out).toContain('\n***\n');
    expect(out).not.toContain('hunter2');
  });

  it('leaves nothing behind, and says nothing of the job in its log', async () => {
    const place = newPlace();
    const job = { env_vars: [{ name: 'PASSWORD', value: base64('hunter2-hunter2') }], ...command('true') };
    await run([jobFile(place, 'job.json', job)], { place });
    expect(readdirSync(place.tmp)).toEqual([]);
    expect(existsSync(join(place.home, '.ssh'))).toBe(false);
    expect(place.readLog()).not.toContain('hunter2');
  });

  it.each<[string, string | undefined, RegExp]>([
    [
      'none.yaml',
      undefined,
      /^Error: the job .*none\.yaml cannot be read: ENOENT.*\nGive the path of a job file; the installation has some in examples\/agent\.\n/,
    ],
    ['.', undefined, /cannot be read: EISDIR.*\nGive the file itself, not its directory\.\n/],
    ['job.yaml', 'commands: [', /^Error: .*job\.yaml:1:\d+: not valid YAML/],
    ['job.json', '{', /^Error: .*job\.json:1:\d+: not valid JSON/],
    ['job.yaml', 'commands: 3', /^Error: the job request is not valid: commands/],
    ['job.yaml', 'logger: {method: push}', /^Error: the logger of a job that is run from a file is pull, not push\n/],
    ['job.yaml', 'executor: magic', /^Error: unknown executor type: magic\n/],
  ])('refuses what is no job: %s %s', async (name, text, message) => {
    const place = newPlace();
    const file = text === undefined ? join(place.home, name) : jobFile(place, name, text);
    const { code, out, err } = await run([file], { place });
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(message);
  });

  it('warns of keys that mean nothing, as old examples have them', async () => {
    const place = newPlace();
    const file = jobFile(place, 'old.yaml', 'id: x\njob_name: n\nservices: []\ncommands: [{directive: "true"}]\n');
    expect(await run([file], { place })).toMatchObject({
      code: 0,
      err: 'Warning: these keys of the job mean nothing: id, services\n',
    });
  });

  it('wants exactly one file', async () => {
    expect(await run([])).toMatchObject({ code: 2, err: expect.stringMatching(/^Error: the job is missing\n/) });
    expect(await run(['a', 'b'])).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^Error: unexpected argument: b\n/),
    });
  });

  it('calls back where the job says so, and only there', async () => {
    const requests: string[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        requests.push(
          `${request.url ?? ''} ${request.headers.authorization ?? ''} ${request.headers['user-agent'] ?? ''} ${body}`,
        );
        response.end();
      });
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const place = newPlace();
    const both = { callbacks: { finished: `${url}/finished`, teardown_finished: `${url}/teardown`, token: 'cb' } };
    await run([jobFile(place, 'job.json', { ...command('true'), ...both })], { place });
    expect(requests).toEqual([
      expect.stringMatching(/^\/finished Bearer cb SemaphoreAgent\/v\S+ \{"result": "passed"\}$/),
      expect.stringMatching(/^\/teardown Bearer cb SemaphoreAgent\/v\S+ \{\}$/),
    ]);
    const { err } = await run(
      [jobFile(place, 'job.json', { ...command('true'), callbacks: { finished: `${url}/finished` } })],
      { place },
    );
    expect({ err, count: requests.length }).toEqual({ err: '', count: 3 });
  });

  it('stops the job at a signal: no epilogues, nothing left running', async () => {
    const place = newPlace();
    const pidFile = join(place.home, 'pid');
    const job = {
      ...command(`setsid sleep 600 & echo $! > ${pidFile}; sleep 601`),
      epilogue_always_commands: [{ directive: 'echo never' }],
    };
    const program = startProgram(bin(), ['run', jobFile(place, 'job.json', job)], { env: place.env, cwd: place.home });
    await until(() => existsSync(pidFile) && /\d\n$/.test(readFileSync(pidFile, 'utf8')), 'the job');
    program.kill('SIGTERM');
    expect(await program.ended).toEqual({ code: 130, signal: null });
    expect(isRunning(Number(readFileSync(pidFile, 'utf8')))).toBe(false);
    expect(program.out()).toMatch(/Job stopped/);
    expect(program.out()).not.toContain('echo never');
  });

  it('ends what ignores signals when a second one comes', async () => {
    const place = newPlace();
    const pidFile = join(place.home, 'pid');
    // Outlives TERM and HUP: only KILL ends it before the grace is over.
    const job = command(`bash -c 'trap "" TERM HUP INT; echo $$ > ${pidFile}; while :; do sleep 0.05; done'`);
    const program = startProgram(bin(), ['run', jobFile(place, 'job.json', job)], { env: place.env, cwd: place.home });
    await until(() => existsSync(pidFile) && /\d\n$/.test(readFileSync(pidFile, 'utf8')), 'the job');
    program.kill('SIGINT');
    await until(() => program.err().includes('press Ctrl-C again'), 'the first signal');
    program.kill('SIGINT');
    expect(await program.ended).toEqual({ code: 130, signal: null });
    expect(isRunning(Number(readFileSync(pidFile, 'utf8')))).toBe(false);
  });

  it('ends in good order when Ctrl-C comes while the shell starts', async () => {
    const place = newPlace();
    writeFileSync(join(place.home, '.bash_profile'), `touch ${place.home}/starting; sleep 600`);
    const program = startProgram(bin(), ['run', jobFile(place, 'job.json', command('true'))], {
      env: place.env,
      cwd: place.home,
    });
    await until(() => existsSync(join(place.home, 'starting')), 'the profile');
    program.kill('SIGINT');
    expect(await program.ended).toEqual({ code: 130, signal: null });
    expect(program.out()).toMatch(/Job stopped/);
    expect(readdirSync(place.tmp)).toEqual([]);
  });
});

describe.runIf(needs('python3'))('in a terminal', { timeout: 120_000 }, () => {
  it('is coloured, live, and stopped by Ctrl-C', async () => {
    const place = newPlace();
    const file = jobFile(place, 'job.json', command('echo now; sleep 600'));
    const { code, screen, missed } = await inTerminal([bin(), 'run', file], [{ wait: 'now\r\n', send: '\u0003' }], {
      cwd: place.home,
      env: place.env,
    });
    expect({ code, missed }).toEqual({ code: 130, missed: null });
    expect(screen).toMatch(/▶ echo now; sleep 600\r\n[\s\S]*now\r\n[\s\S]*Job stopped after/);
  });
});
