import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { captureProcess, runProcess, TaskProcesses, type ProcessSpec } from '../../src/execution/index.ts';
import { canMakeAccounts, makeAccount } from '../support/accounts.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';
import { expectWorking, say, templates, worldAt } from './support.ts';

/** What the system allows a process to have is used up: files, processes. */

/** Sets a limit of a running process. */
function limit(pid: number, what: 'nofile' | 'nproc', value: number | string): void {
  execFileSync('prlimit', [`--pid=${pid}`, `--${what}=${value}:`]);
}

const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

describe.runIf(needs('prlimit'))('too many open files', () => {
  it.each([0, 2, 5, 9])(
    'with %i left: a task fails or waits with a line that says what to do, what runs goes on, and all is well afterwards',
    async (left) => {
      const world = await worldAt({ runner: { max_parallel_tasks: 2 } });
      const runner = world.startRunner();
      await expectWorking(world);
      const running = await world.api.startTask(templates.step);
      await world.api.waitForLine(running, 'began');
      limit(runner.pid, 'nofile', openFiles(runner.pid) + left);
      const id = await world.api.startTask(templates.quick);
      const told = /EMFILE.*Allow more open files|EMFILE\), retrying/;
      await world.api.waitUntil(id, async ({ status }) => {
        return status === 'success' || (await world.api.log(id)).some((line) => told.test(line));
      });
      say(world, 'first');
      await world.api.waitForLine(running, 'first');
      limit(runner.pid, 'nofile', 1024);
      say(world, 'second');
      expect((await world.api.waitUntilFinished(running)).status).toBe('success');
      expect((await world.api.log(running)).slice(-3)).toEqual(['began', 'first', 'second']);
      await world.api.waitUntilFinished(id);
      await expectWorking(world);
      expect(runner.child.exitCode).toBeNull();
    },
  );

  it('when the connection to the server is to be made again: the runner tries until it can', async () => {
    const world = await worldAt({});
    const runner = world.startRunner();
    const id = await world.api.startTask(templates.step);
    await world.api.waitForLine(id, 'began');
    // What it has open goes with the server, so that there is no room even for one connection.
    limit(runner.pid, 'nofile', 4);
    await world.restartServer();
    await expect.poll(() => runner.output(), { timeout: 20_000 }).toContain('Cannot talk to the server; retrying');
    say(world, 'first');
    say(world, 'second');
    limit(runner.pid, 'nofile', 1024);
    expect((await world.api.waitUntilFinished(id)).status).toBe('success');
    expect((await world.api.log(id)).slice(-3)).toEqual(['began', 'first', 'second']);
    expect(runner.child.exitCode).toBeNull();
  });
});

describe.runIf(canMakeAccounts() && needs('prlimit'))('too many processes', () => {
  /** Runs a script as a user who may have so many processes. */
  async function runWith(processes: number) {
    const account = makeAccount();
    onTestFinished(() => account.remove());
    const id = (flag: string): number => Number(execFileSync('id', [flag, account.name], { encoding: 'utf8' }));
    const [uid, gid] = [id('-u'), id('-g')];
    const directory = tempDir();
    chmodSync(directory, 0o755);
    chownSync(directory, uid, gid);
    const log = join(directory, 'output.log');
    const logFd = openSync(log, 'a+');
    const tag = randomBytes(8).toString('hex');
    const options = { processes: new TaskProcesses(tag), signal: new AbortController().signal };
    const spec: ProcessSpec = {
      command: 'sh',
      args: ['-c', '/bin/echo it works; exit 0'],
      cwd: directory,
      env: { PATH: '/usr/bin:/bin' },
      stop: { signal: 'SIGTERM', graceMs: 300 },
      uid,
      gid,
    };
    const before = /^Max processes +(\w+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 'unlimited';
    // Of this process, which is root's and may have as many as it likes; what it starts inherits it.
    limit(process.pid, 'nproc', processes);
    try {
      const run = await runProcess(spec, { ...options, logFd, exitFile: join(directory, 'exit.1') });
      const captured = await captureProcess(spec, { tag, signal: options.signal });
      return { run, captured, log: readFileSync(log, 'utf8') };
    } finally {
      limit(process.pid, 'nproc', before);
      closeSync(logFd);
      await options.processes.end();
    }
  }

  it.each([0, 1, 2, 3, 4, 64])(
    'of which %i are allowed: the step cannot be started, or runs as always',
    async (count) => {
      const { run, log } = await runWith(count);
      if (run.kind === 'exited' && run.code === 0) expect(log).toBe('it works\n');
      else if (run.kind === 'exited') expect(log).toMatch(/fork/i);
      else expect(run).toMatchObject({ kind: 'unstartable', code: 'EAGAIN' });
      if (count < 3) expect(run.kind).toBe('unstartable');
      if (count === 64) expect(run).toEqual({ kind: 'exited', code: 0 });
    },
  );

  it('is an outcome for helpers, too', async () => {
    const { captured } = await runWith(0);
    expect(captured.result).toMatchObject({ kind: 'unstartable', code: 'EAGAIN' });
  });
});
