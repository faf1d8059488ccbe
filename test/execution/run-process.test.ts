import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { runProcess, TaskProcesses, type ProcessResult, type ProcessSpec } from '../../src/execution/index.ts';
import { findTask, killTask } from '../support/survivors.ts';
import { tempDir } from '../support/temp-dir.ts';

interface Run {
  result: ProcessResult;
  log: string;
  tag: string;
}

async function run(script: string, options: Partial<ProcessSpec> & { stopAfterMs?: number } = {}): Promise<Run> {
  const directory = tempDir();
  const logFile = join(directory, 'output.log');
  const logFd = openSync(logFile, 'a+', 0o600);
  const tag = randomBytes(8).toString('hex');
  const stop = new AbortController();
  const { stopAfterMs, ...spec } = options;
  if (stopAfterMs === 0) stop.abort();
  const timer = stopAfterMs ? setTimeout(() => stop.abort(), stopAfterMs) : undefined;
  try {
    const result = await runProcess(
      {
        command: 'bash',
        args: ['-c', script],
        cwd: directory,
        env: { PATH: process.env['PATH'] ?? '' },
        stop: { signal: 'SIGTERM', graceMs: 300 },
        ...spec,
      },
      { logFd, exitFile: join(directory, 'exit.1'), processes: new TaskProcesses(tag), signal: stop.signal },
    );
    return { result, log: readFileSync(logFile, 'utf8'), tag };
  } finally {
    clearTimeout(timer);
    closeSync(logFd);
    killTask(tag);
  }
}

describe('runProcess', () => {
  it('writes stdout and stderr to the log in their true order', async () => {
    const { result, log } = await run('for i in 1 2 3; do echo out $i; echo err $i >&2; done');
    expect(result).toEqual({ kind: 'exited', code: 0 });
    expect(log).toBe('out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n');
  });

  it('keeps the log whole when a script opens /dev/stdout and /dev/stderr by name', async () => {
    const { log } = await run('echo a; echo b > /dev/stderr; echo c | tee /dev/stderr; echo d > /dev/stdout; echo e');
    expect(log).toBe('a\nb\nc\nc\nd\ne\n');
  });

  it('has nothing on standard input, or what it is given, as it comes and up to its end', async () => {
    expect((await run('cat; echo end')).log).toBe('end\n');
    const stdin = new PassThrough();
    const answered = run('read a; echo "got $a"; read b; echo "got $b"; cat; echo end', { stdin });
    stdin.write('one\n');
    await sleep(50);
    stdin.end('two\n');
    const { result, log } = await answered;
    expect(result).toEqual({ kind: 'exited', code: 0 });
    expect(log).toBe('got one\ngot two\nend\n');
  });

  it('does not mind standard input that nobody reads', async () => {
    const stdin = new PassThrough();
    stdin.write('x'.repeat(1_000_000));
    expect((await run('exit 3', { stdin })).result).toEqual({ kind: 'exited', code: 3 });
    stdin.write('more');
    expect((await run('exec 0<&-; sleep 0.1; exit 4', { stdin })).result).toEqual({ kind: 'exited', code: 4 });
  });

  it('gives the exit code of the tool', async () => {
    expect((await run('exit 7')).result).toEqual({ kind: 'exited', code: 7 });
  });

  it('names the signal that killed the tool', async () => {
    expect((await run('kill -9 $$')).result).toEqual({ kind: 'signalled', signal: 'SIGKILL' });
  });

  it('names a missing executable and the PATH it was looked up in', async () => {
    const { result } = await run('', { command: 'no-such-tool', env: { PATH: '/nowhere' } });
    expect(result).toMatchObject({ kind: 'unstartable', code: 'ENOENT', message: expect.stringContaining('/nowhere') });
  });

  it('says nothing of its own when the tool is killed, and lets the system name a bad interpreter', async () => {
    expect((await run('echo a; kill -TERM $$')).log).toBe('a\n');
    const { result, log } = await run('printf "#!/no/such/interpreter\\n" > x; chmod +x x; exec sh -c ./x');
    expect(result).toEqual({ kind: 'exited', code: 127 });
    expect(log).toContain('not found');
  });

  it('names a missing working directory', async () => {
    const { result } = await run('', { cwd: '/no/such/directory' });
    expect(result).toMatchObject({ kind: 'unstartable', message: expect.stringContaining('/no/such/directory') });
  });

  it('reports an argument list that the system refuses', async () => {
    const { result } = await run('', { args: ['-c', 'true', 'x'.repeat(4 * 1024 * 1024)] });
    expect(result).toMatchObject({ kind: 'unstartable', code: 'E2BIG' });
  });

  it('gives the tool exactly the environment of the specification and the tag', async () => {
    const { log, tag } = await run('env', { command: '/usr/bin/env', args: [], env: { PATH: '/bin', A: '1' } });
    const names = log.split('\n').filter((line) => line !== '' && !/^(PWD|OLDPWD|SHLVL|_)=/.test(line));
    expect(names.sort()).toEqual(['A=1', 'PATH=/bin', `SEMAPHORE_TASK_TAG=${tag}`]);
  });

  it('starts nothing when the task was stopped before', async () => {
    expect(await run('echo started', { stopAfterMs: 0 })).toMatchObject({ result: { kind: 'stopped' }, log: '' });
  });

  it('stops a tool and keeps what it says while it stops', async () => {
    const { result, log } = await run('trap "echo cleaning up; exit 0" TERM; echo ready; sleep 60 & wait', {
      stopAfterMs: 300,
    });
    expect(result).toEqual({ kind: 'stopped' });
    expect(log).toBe('ready\ncleaning up\n');
  });

  it('kills a tool that ignores the signal, and its group, after the grace', async () => {
    const { result, tag } = await run('trap "" TERM; sleep 60 & while :; do sleep 1; done', { stopAfterMs: 200 });
    expect(result).toEqual({ kind: 'stopped' });
    await expect.poll(() => findTask(tag)).toEqual([]);
  });

  it('stops a tool that has stopped itself', async () => {
    expect((await run('kill -STOP $$; echo never', { stopAfterMs: 200 })).result).toEqual({ kind: 'stopped' });
  });

  it('does not wait for a grandchild that holds the output open', async () => {
    const { result, log, tag } = await run('sleep 60 & echo done');
    expect(result).toEqual({ kind: 'exited', code: 0 });
    expect(log).toBe('done\n');
    await expect.poll(() => findTask(tag)).toEqual([]);
  });

  it('leaves a process in a session of its own to the sweep by tag', async () => {
    const directory = tempDir();
    const logFd = openSync(join(directory, 'log'), 'a+');
    const tag = randomBytes(8).toString('hex');
    await runProcess(
      {
        command: 'bash',
        args: ['-c', 'setsid -f sleep 60; exit 0'],
        cwd: directory,
        env: { PATH: process.env['PATH'] ?? '' },
        stop: { signal: 'SIGTERM', graceMs: 300 },
      },
      {
        logFd,
        exitFile: join(directory, 'exit'),
        processes: new TaskProcesses(tag),
        signal: new AbortController().signal,
      },
    );
    // What was killed with the group may take a moment to go.
    await expect.poll(() => findTask(tag)).toHaveLength(1);
    expect(new TaskProcesses(tag, { takenOver: true }).kill()).toBe(1);
    await expect.poll(() => findTask(tag)).toEqual([]);
    closeSync(logFd);
  });
});
