import { spawn } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { runProgram } from '../support/built-program.ts';
import { builtAgent, newPlace, startProgram, until } from './agent-support.ts';

const { bin, semaphore } = builtAgent();

describe('agent playground', { timeout: 120_000 }, () => {
  it('shows the way of a job from a server to an agent and back', async () => {
    const place = newPlace();
    const { code, out, err } = await runProgram(semaphore(), ['agent', 'playground'], {
      env: place.env,
      cwd: place.home,
    });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const marks = [
      /^The hub listens on http:\/\/127\.0\.0\.1:\d+ /,
      /semaphore agent start --endpoint 127\.0\.0\.1:\d+ --token \w+ --no-https/,
      /register {4}playground-\d+ is registered/,
      /sync {8}the hub gives job \S+ to playground-\d+/,
      /▶ Say hello/,
      /Hello from a self-hosted job/,
      /line 3 in \/tmp/,
      /The job has passed/,
      /Job passed\n/,
      /sync {8}job \S+ is finished: passed/,
      /sync {8}the hub ends playground-\d+: requested/,
      /disconnect {2}playground-\d+ is gone/,
    ];
    let from = 0;
    for (const mark of marks) {
      const found = mark.exec(out.slice(from));
      expect(found, String(mark)).not.toBeNull();
      from += (found?.index ?? 0) + (found?.[0].length ?? 0);
    }
    expect(out).toContain(`What the agent says of itself is in ${place.log}.`);
    expect(place.readLog()).toContain('Agent shutting down due to: REQUESTED');
    expect(readdirSync(place.tmp)).toEqual([]);
  });

  it('runs a job of your own, and ends with its result', async () => {
    const place = newPlace();
    const file = join(place.home, 'job.yaml');
    writeFileSync(
      file,
      'job_id: mine\nfile:\n  - {path: a.txt, mode: 0600, content: eA==}\ncommands:\n  - directive: cat ~/a.txt; (exit 4)\n',
    );
    const { code, out } = await runProgram(bin(), ['playground', file], { env: place.env, cwd: place.home });
    expect(code).toBe(1);
    expect(out).toMatch(/exit code 4\n[\s\S]*job mine is finished: failed/);
  });

  it('keeps on for jobs that are typed in, and other agents, until Ctrl-C', async () => {
    const place = newPlace();
    const file = join(place.home, 'next.json');
    writeFileSync(file, '{"job_id": "next", "commands": [{"directive": "echo typed"}]}');
    const child = spawn(bin(), ['playground', '--keep'], { env: place.env, cwd: place.home });
    onTestFinished(() => void child.kill('SIGKILL'));
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const ended = new Promise<number | null>((resolve) => {
      child.once('close', resolve);
    });
    await until(
      () => err.includes('Type the path'),
      'the prompt',
      () => out + err,
    );
    child.stdin.write('nothing.json\n');
    await until(
      () => err.includes('cannot be read'),
      'the answer',
      () => out + err,
    );
    child.stdin.write(`${file}\n`);
    await until(
      () => out.includes('job next is finished: passed'),
      'the second job',
      () => out + err,
    );

    const [, command = ''] = /semaphore (agent start .*)\n/.exec(out) ?? [];
    const other = startProgram(semaphore(), [...command.split(' '), '--name', 'another-agent'], {
      env: place.env,
      cwd: place.home,
    });
    await until(
      () => out.includes('another-agent is registered'),
      'the other agent',
      () => out + err + other.out(),
    );
    other.kill('SIGTERM');
    expect(await other.ended).toMatchObject({ code: 0 });
    child.kill('SIGINT');
    expect(await ended).toBe(0);
  });

  it('stops its job at Ctrl-C', async () => {
    const place = newPlace();
    const file = join(place.home, 'job.json');
    writeFileSync(file, '{"commands": [{"directive": "echo begun; sleep 600"}]}');
    const program = startProgram(bin(), ['playground', file], { env: place.env, cwd: place.home });
    await until(
      () => program.out().includes('begun\n'),
      'the job',
      () => program.out(),
    );
    program.kill('SIGINT');
    expect(await program.ended).toEqual({ code: 130, signal: null });
    expect(program.out()).toMatch(/is finished: stopped/);
  });

  it.each([
    [['none.yaml'], /^Error: the job none\.yaml cannot be read/],
    [['--port', 'x'], /^Error: --port expects a number/],
  ])('refuses %j', async (args, text) => {
    const place = newPlace();
    const { code, err } = await runProgram(bin(), ['playground', ...args], { env: place.env, cwd: place.home });
    expect({ code, err }).toEqual({ code: 2, err: expect.stringMatching(text) });
  });
});

describe('the executable agent', { timeout: 60_000 }, () => {
  const run = async (...args: string[]) => await runProgram(bin(), args, { env: newPlace().env });

  it.each(['version', '--version', '-v'])('tells its version: %s', async (word) => {
    const { code, out, err } = await run(word);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^v\d+\.\d+\.\d+\n$/);
    expect((await runProgram(semaphore(), ['agent', 'version'])).out).toBe(out);
  });

  it('shows its help on standard error when there is nothing to do', async () => {
    const { code, out, err } = await run();
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/^Run jobs of Semaphore CI 2\.0/);
  });

  it.each([['--help'], ['-h'], ['help'], ['help', 'start'], ['start', '--help']])(
    'shows its help when asked: %j',
    async (...args) => {
      const { code, out, err } = await run(...args);
      expect({ code, err }).toEqual({ code: 0, err: '' });
      expect(out).toMatch(/Usage: semaphore agent/);
    },
  );

  it.each([
    [['strat'], 'Error: unknown command: semaphore agent strat\nDid you mean: semaphore agent start?\n'],
    [['bogus', '--x'], 'Error: unknown command: semaphore agent bogus\nSee: semaphore agent --help\n'],
    [['--endpoint', 'x', 'bogus'], 'Error: unknown command: semaphore agent bogus\nSee: semaphore agent --help\n'],
  ])('knows its commands: %j', async (args, err) => {
    expect(await run(...args)).toMatchObject({ code: 2, out: '', err });
  });

  it('takes flags before the command', async () => {
    const { code, out } = await run('--token', 't', '--no-https', 'start');
    expect(code).toBe(1);
    expect(out).toMatch(/ : Semaphore endpoint was not specified/);
  });
});
