import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, it, vi } from 'vitest';
import { newSession, startedSession } from '../support/shell-session.ts';

const patience = { timeout: 30_000, interval: 20 };

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}

function pidsIn(output: string): number[] {
  return [...output.matchAll(/^pid (\d+)$/gm)].map(([, pid]) => Number(pid));
}

const escapes = [
  'sleep 71 & echo pid $!',
  '(sleep 72 & echo pid $!)',
  'sleep 73 & echo pid $!; disown',
  'nohup sleep 74 >/dev/null 2>&1 & echo pid $!',
  'setsid sh -c \'echo pid $$; trap "" HUP; exec sleep 75\' &',
  "(setsid sh -c '(sleep 76 & echo pid $!)' &)",
  "env -i sh -c 'echo pid $$; exec sleep 77' &",
  'sh -c \'trap "" HUP TERM INT; echo pid $$; while :; do sleep 0.1; done\' &',
  'sleep 78 & echo pid $!; kill -STOP $!',
].join('\n');

describe('the stop of a session', () => {
  it('ends the command with 1 and everything that was ever started in it', async () => {
    const { run, session } = await startedSession({ stopGraceMs: 1000 });
    const pids = pidsIn((await run(`${escapes}\nsleep 0.5`)).output);
    expect(pids.length).toBe(9);
    expect(pids.filter(isAlive)).toEqual(pids);
    const running = run('echo before; sleep 79; echo never');
    await new Promise((resolve) => setTimeout(resolve, 200));
    await session.stop();
    expect(await running).toMatchObject({ exitCode: 1, output: 'before\n' });
    expect(pids.filter(isAlive)).toEqual([]);
    expect(session.exited).toBe(true);
    expect((await run('echo more')).exitCode).toBe(1);
  });

  it('does the same when no command runs, and after the shell has ended by itself', async () => {
    for (const last of ['true', 'exit 3', 'return 130']) {
      const { run, session } = await startedSession({ stopGraceMs: 1000 });
      const pids = pidsIn((await run(`${escapes}\nsleep 0.5`)).output);
      await run(last);
      await session.stop();
      expect(pids.length).toBe(9);
      expect(pids.filter(isAlive), last).toEqual([]);
    }
  });

  it('lets what runs say its last words', async () => {
    const { run, session } = await startedSession({ stopGraceMs: 20_000 });
    let output = '';
    const script = 'bash -c \'trap "echo cleaning; exit 1" TERM; echo up; while :; do sleep 0.05; done\'; echo never';
    const running = session.run(script, { onOutput: (text) => void (output += text) });
    await vi.waitFor(() => expect(output).toContain('up'), patience);
    await session.stop();
    expect((await running).exitCode).toBe(1);
    expect(output).toContain('cleaning');
    expect(output).not.toContain('never');
    expect((await run('echo x')).exitCode).toBe(1);
  });

  it('works before the start, while starting, twice and for many at once', async () => {
    const early = newSession();
    await early.session.stop();
    expect(await early.session.start()).toEqual({ kind: 'failed', reason: 'it was stopped' });

    const slow = newSession({ profile: 'sleep 80' });
    const starting = slow.session.start();
    await Promise.all([slow.session.stop(), slow.session.stop()]);
    expect(await starting).toMatchObject({ kind: 'failed' });

    const late = newSession({ profile: 'sleep 81' });
    const result = late.session.start();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await late.session.stop();
    expect(await result).toMatchObject({ kind: 'failed' });
    expect(late.session.exited).toBe(true);
  });

  it('leaves no process, no descriptor and no directory, after many sessions', async () => {
    const own = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('semaphore-session-'));
    const children = (): string =>
      execFileSync('ps', ['-o', 'args=', '--ppid', String(process.pid)], { encoding: 'utf8' });
    const mine: string[] = [];
    const round = async (): Promise<void> => {
      const { session, run } = await startedSession();
      mine.push((await run('dirname "$BASH_SOURCE"')).output.trim().replace(/^.*\//, ''));
      await run('sleep 82 &');
      await session.stop();
    };
    await round();
    const before = readdirSync('/proc/self/fd').length;
    for (let turn = 0; turn < 5; turn += 1) await round();
    await vi.waitFor(() => expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before), patience);
    expect(mine.length).toBe(6);
    expect(own().filter((name) => mine.includes(name))).toEqual([]);
    expect(children()).not.toMatch(/bash --login|sleep 82/);
  });
});
