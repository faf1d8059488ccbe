import { spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { takeOverProcess, TaskProcesses, taskTagVariable } from '../../src/execution/index.ts';
import { processStartTime } from '../../src/lib/index.ts';
import { tempDir } from '../support/temp-dir.ts';

const stop = { signal: 'SIGTERM', graceMs: 500 } as const;

/** A process as an earlier runner would have left it: nobody's child, with its exit file. */
function leftBehind(script: string) {
  const exitFile = join(tempDir(), 'exit.1');
  const tag = `take-over-${process.pid}-${Math.random()}`;
  const child = spawn('/bin/sh', ['-c', `echo $$ >&3; ${script}`], {
    detached: true,
    env: { PATH: process.env['PATH'] ?? '', [taskTagVariable]: tag },
    stdio: ['ignore', 'ignore', 'ignore', openSync(exitFile, 'w')],
  });
  const pid = child.pid ?? 0;
  const processes = new TaskProcesses(tag, { takenOver: true });
  return { exitFile, pid, startTime: processStartTime(pid), processes, stop, signal: new AbortController().signal };
}

function isDead(pid: number): boolean {
  try {
    return /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return true;
  }
}

describe('takeOverProcess', () => {
  it('ends what the tool has left running in its group, as after every end', async () => {
    const left = leftBehind('sleep 1000 3>&- & sleep 0.3; echo 7 >&3');
    expect(await takeOverProcess(left)).toEqual({ kind: 'exited', code: 7 });
    await expect.poll(() => left.processes.list(), { timeout: 10_000 }).toEqual([]);
  });

  it('does so too when all was over before anybody looked, and never touches a group that is not of the task', async () => {
    const left = leftBehind('sleep 1000 3>&- & echo 0 >&3');
    await expect.poll(() => isDead(left.pid), { timeout: 10_000 }).toBe(true);
    // Its number is another process's by now, as far as can be told.
    expect(await takeOverProcess({ ...left, startTime: 'before' })).toEqual({ kind: 'exited', code: 0 });
    await expect.poll(() => left.processes.list(), { timeout: 10_000 }).toEqual([]);
    const other = leftBehind('sleep 1000');
    await expect.poll(() => other.processes.list().map(({ pid }) => pid), { timeout: 10_000 }).toContain(other.pid);
    expect(await takeOverProcess({ ...left, pid: other.pid, startTime: 'before' })).toEqual({
      kind: 'exited',
      code: 0,
    });
    expect(other.processes.list().map(({ pid }) => pid)).toContain(other.pid);
    other.processes.kill();
  });
});
