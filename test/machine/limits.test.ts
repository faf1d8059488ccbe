import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canMakeAccounts, makeAccount } from '../support/accounts.ts';
import { needs } from '../support/tools.ts';
import { expectWorking, say, templates, worldAt } from './support.ts';

/** What the system allows a process to have is used up: files, processes. */

/** Sets a limit of a running process. */
function limit(pid: number, what: 'nofile' | 'nproc', value: number): void {
  execFileSync('prlimit', [`--pid=${pid}`, `--${what}=${value}:`]);
}

const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

describe.runIf(needs('prlimit'))('too many open files', () => {
  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])(
    'with %i left: a task fails with a line that says what to do or works, the runner lives, and works again',
    async (left) => {
      const world = await worldAt({ runner: { max_parallel_tasks: 2 } });
      const runner = world.startRunner();
      await expectWorking(world);
      const running = await world.api.startTask(templates.step);
      await world.api.waitForLine(running, 'began');
      limit(runner.pid, 'nofile', openFiles(runner.pid) + left);
      const id = await world.api.startTask(templates.quick);
      const ended = await Promise.race([
        world.api.waitUntilFinished(id, 20_000).then(({ status }) => status),
        new Promise<string>((resolve) => setTimeout(resolve, 5_000, 'waits')),
      ]);
      if (ended === 'error') expect((await world.api.log(id)).at(-1)).toMatch(/EMFILE.*Allow more open files/);
      say(world, 'first');
      say(world, 'second');
      limit(runner.pid, 'nofile', 1024);
      // The one that ran is none the worse for it.
      expect((await world.api.waitUntilFinished(running)).status).toBe('success');
      expect((await world.api.log(running)).slice(-3)).toEqual(['began', 'first', 'second']);
      await world.api.waitUntilFinished(id);
      await expectWorking(world);
      expect(runner.child.exitCode).toBeNull();
    },
  );
});
