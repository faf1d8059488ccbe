import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { PtyProcess, type PtyExit } from '../../src/execution/index.ts';
import { needs } from '../support/tools.ts';

const patience = { timeout: 30_000, interval: 20 };

interface Started {
  process: PtyProcess;
  output: () => string;
  exit: () => PtyExit | undefined;
}

function start(script: string, env: Record<string, string> = {}): Started {
  let output = '';
  let exit: PtyExit | undefined;
  const process_ = new PtyProcess(
    { command: 'sh', args: ['-c', script], cwd: '/', env: { PATH: process.env['PATH'] ?? '', ...env } },
    { onData: (bytes) => void (output += bytes.toString('latin1')), onExit: (found) => void (exit = found) },
  );
  onTestFinished(async () => void (await process_.stop(0)));
  return { process: process_, output: () => output, exit: () => exit };
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}

function terminalsOpenHere(): number {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return links.filter((link) => link.includes('ptmx') || link.startsWith('/dev/pts/')).length;
}

describe('a process in a pseudo-terminal', () => {
  it('leads a session whose terminal is its input, output and error, without a size', async () => {
    const { output, exit } = start(
      'tty; tty <&2; stty size; ps -o sid= -p $$ | tr -d " "; echo "$$"; test -t 1 && echo yes',
    );
    await vi.waitFor(() => expect(exit()).toEqual({ code: 0, signal: null }), patience);
    const lines = output().split('\r\n');
    expect(lines[0]).toMatch(/^\/dev\/pts\/\d+$/);
    expect(lines[1]).toBe(lines[0]);
    expect(lines[2]).toBe('0 0');
    expect(lines[3]).toBe(lines[4]);
    expect(lines[5]).toBe('yes');
  });

  it('has the environment that was given, the tag, and no terminal of ours', async () => {
    const other = start('sleep 60');
    await vi.waitFor(() => expect(other.process.pid).toBeDefined(), patience);
    const { output, exit } = start('env | grep -v ^PWD= | cut -d= -f1 | sort; ls -l /proc/$$/fd; exit 3', {
      GIVEN: '1',
    });
    await vi.waitFor(() => expect(exit()).toEqual({ code: 3, signal: null }), patience);
    const names = output()
      .split('\r\n')
      .filter((line) => /^[A-Z_]+$/.test(line) && line !== '_' && line !== 'OLDPWD');
    expect(names).toEqual(['GIVEN', 'PATH', 'SEMAPHORE_TASK_TAG']);
    expect(output()).not.toContain('ptmx');
    expect(new Set(output().match(/\/dev\/pts\/\d+/g)).size).toBe(1);
  });

  it('loses nothing that it wrote last, though a child keeps the terminal open', async () => {
    const { process: ended, output, exit } = start('trap "" HUP; sleep 60 & printf "%060000d" 7');
    await vi.waitFor(() => expect(exit()).toBeDefined(), patience);
    await ended.drain();
    expect(output().length).toBe(60_000);
    expect(output().endsWith('7')).toBe(true);
  });

  it('waits while we are paused, and loses nothing', async () => {
    const script = 'stty -opost -echo; read go; head -c 400000 /dev/zero | tr "\\0" x';
    const { process: writer, output, exit } = start(script);
    await vi.waitFor(() => expect(writer.look()).toMatchObject({ kind: 'reading' }), patience);
    writer.pause();
    writer.write('\n');
    await vi.waitFor(() => expect(writer.look()).toEqual({ kind: 'busy' }), patience);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(output()).toBe('');
    expect(exit()).toBeUndefined();
    writer.resume();
    await vi.waitFor(() => expect(exit()).toBeDefined(), patience);
    await writer.drain();
    expect(output().length).toBe(400_000);
  });

  it('ends with code 127 when the command or the directory is not there', async () => {
    const missing = start('exec no-such-command-at-all');
    await vi.waitFor(() => expect(missing.exit()?.code).toBe(127), patience);
    let exit: PtyExit | undefined;
    const nowhere = new PtyProcess(
      { command: 'sh', args: [], cwd: '/no/such/directory', env: {} },
      { onData: () => undefined, onExit: (found) => void (exit = found) },
    );
    await vi.waitFor(() => expect(exit?.code).toBe(127), patience);
    expect(await nowhere.stop(0)).toEqual([]);
  });
});

describe('who has the keyboard', () => {
  it('is told: busy, or a process that reads, with its group', async () => {
    const busy = start('sleep 60');
    await vi.waitFor(() => expect(busy.process.look()).toEqual({ kind: 'busy' }), patience);
    const reading = start('echo up; read answer; echo "got $answer"');
    await vi.waitFor(() => expect(reading.process.look()).toMatchObject({ kind: 'reading', isLeader: true }), patience);
    expect(reading.process.leadsForeground).toBe(true);
    const child = start('cat; echo after');
    await vi.waitFor(() => expect(child.process.look()).toMatchObject({ kind: 'reading', isLeader: false }), patience);
    child.process.write('\u0004');
    await vi.waitFor(() => expect(child.output()).toContain('after'), patience);
  });

  it.runIf(needs('bash'))('is a shell at its prompt', async () => {
    const { process: shell } = start('exec bash --norc -i', { TERM: 'xterm', HOME: '/' });
    await vi.waitFor(() => expect(shell.look()).toEqual({ kind: 'prompt' }), patience);
    shell.write('sleep 60\n');
    await vi.waitFor(() => expect(shell.look()).toEqual({ kind: 'busy' }), patience);
    expect(shell.leadsForeground).toBe(false);
  });
});

describe('the stop', () => {
  it('reaches whatever was started, however it got away, and leaves nothing open', async () => {
    const before = terminalsOpenHere();
    const { process: leader, output } = start(
      'echo $$; sleep 61 & echo $!; nohup sleep 62 >/dev/null 2>&1 & echo $!; ' +
        "setsid sh -c 'echo $$ >/dev/tty 2>/dev/null || echo $$; exec env -i sleep 63' & " +
        '(setsid sh -c "(sleep 64 & echo \\$!)" &) ; sleep 0.5; echo all; sleep 65',
    );
    await vi.waitFor(() => expect(output()).toContain('all'), patience);
    const pids = [...output().matchAll(/^(\d+)\r$/gm)].map(([, pid]) => Number(pid));
    expect(pids.length).toBe(5);
    expect(await leader.stop(5000)).toEqual([]);
    expect(pids.filter(isAlive)).toEqual([]);
    expect(terminalsOpenHere()).toBe(before);
    expect(await leader.stop(5000)).toEqual([]);
  });

  it('tells before it kills, and does not let the leader go on with its next command', async () => {
    const { process: leader, output } = start(
      'trap : TERM; sh -c \'trap "echo told; exit" TERM; echo up; while :; do sleep 0.05; done\'; echo next',
    );
    await vi.waitFor(() => expect(output()).toContain('up'), patience);
    await leader.stop(20_000);
    expect(output()).toContain('told');
    expect(output()).not.toContain('next');
    expect(leader.exit?.signal).toBe('SIGHUP');
  });

  it('kills what does not listen', async () => {
    const { process: leader, output, exit } = start('trap "" TERM HUP; echo up; while :; do sleep 0.05; done');
    await vi.waitFor(() => expect(output()).toContain('up'), patience);
    await leader.stop(200);
    expect(exit()).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('works at once after the start, and leaves other processes alone', async () => {
    const bystander = spawn('sleep', ['60'], { stdio: 'ignore' });
    onTestFinished(() => void bystander.kill('SIGKILL'));
    const { process: leader, exit } = start('sleep 60');
    await leader.stop(5000);
    expect(exit()).toBeDefined();
    expect(isAlive(bystander.pid ?? 0)).toBe(true);
  });
});

describe('a system without the package for pseudo-terminals', () => {
  it('is told what to do', async () => {
    vi.resetModules();
    vi.doMock('node:module', () => ({
      createRequire: () => {
        throw new Error("Cannot find module '@lydell/node-pty'\nRequire stack: …");
      },
    }));
    onTestFinished(() => {
      vi.doUnmock('node:module');
      vi.resetModules();
    });
    const { Pty } = await import('../../src/execution/pty.ts');
    expect(() => new Pty(() => undefined)).toThrow(
      expect.objectContaining({
        name: 'UserError',
        message: expect.stringMatching(/pseudo-terminal.*@lydell\/node-pty.*Cannot find module '@lydell\/node-pty'$/),
        hint: expect.stringContaining('--omit=optional'),
      }),
    );
  });
});
