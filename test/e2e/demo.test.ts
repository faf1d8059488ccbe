import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { killProcessesWith, processesWith } from '../support/e2e/survivors.ts';
import { ensureBuilt } from '../support/e2e/program.ts';
import { pathWithout } from '../support/path-without.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';

/** `npm run demo` as a newcomer runs it, in a temporary directory of its own so that anything left behind is seen. */

vi.setConfig({ testTimeout: 120_000 });

const root = join(import.meta.dirname, '../..');

function startDemo(env: Readonly<Record<string, string>> = {}) {
  ensureBuilt();
  const temporary = tempDir('semaphore-demo-test-');
  const child = spawn(process.execPath, [join(root, 'scripts/demo.mjs')], {
    cwd: root,
    env: { PATH: process.env.PATH, HOME: temporary, TMPDIR: temporary, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  onTestFinished(() => {
    child.kill('SIGKILL');
    killProcessesWith(temporary);
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', resolve);
  });
  return {
    child,
    ended,
    output: () => output,
    /** Pids of the demo's own processes whose command line contains `text`. */
    processes: (text: string) => processesWith(temporary).filter((pid) => processesWith(text).includes(pid)),
    leftovers: () => [...readdirSync(temporary), ...processesWith(temporary)],
  };
}

describe('the demo', () => {
  it.runIf(needs('ansible-playbook'))(
    'shows both tasks live, their results and the way on, and leaves nothing',
    async () => {
      const demo = startDemo();
      expect(await demo.ended, demo.output()).toBe(0);
      const output = demo.output();
      expect(output).toMatch(/^ansible {2}│ TASK \[Show it\]/m);
      expect(output).toMatch(/^ansible {2}│ .*Hello from/m);
      expect(output).toMatch(/^bash {5}│ backing up shop, signed in with password \*\*\*$/m);
      expect(output).toMatch(/^bash {5}│ done, from commit [0-9a-f]{7} "Greet from Ansible, back up with Bash"$/m);
      expect(output).toMatch(/^ {2}✓ ansible {2}success .*, commit [0-9a-f]{7}$/m);
      expect(output).toMatch(/^ {2}✓ bash {5}success .*, commit [0-9a-f]{7}$/m);
      expect(output).toContain('./bin/semaphore runner setup');
      expect(demo.leftovers()).toEqual([]);
    },
  );

  it('on a machine without Ansible runs the script, and says loudly what it left out', async () => {
    const demo = startDemo({ PATH: pathWithout('ansible-playbook', 'apt-get', 'dnf', 'apk', 'brew') });
    expect(await demo.ended, demo.output()).toBe(0);
    const output = demo.output();
    expect(output).toMatch(/! tools +missing: ansible-playbook\. Install ansible-playbook and put it on PATH\./);
    expect(output).toMatch(/^ {2}✓ bash {5}success /m);
    expect(output).toMatch(/^ {2}! ansible {2}NOT RUN: .*ansible-playbook is not installed$/m);
    expect(demo.leftovers()).toEqual([]);
  });

  it('whose server dies says so, shows its log, and leaves nothing', async () => {
    const demo = startDemo();
    await expect.poll(() => demo.output(), { timeout: 60_000 }).toContain('backing up');
    const servers = demo.processes('server.yaml');
    expect(servers).toHaveLength(1);
    for (const pid of servers) process.kill(pid, 'SIGKILL');
    expect(await demo.ended, demo.output()).toBe(1);
    expect(demo.output()).toContain('the server ended by itself (SIGKILL)');
    expect(demo.output()).toContain('Log of the runner');
    expect(demo.leftovers()).toEqual([]);
  });

  it.each([
    ['while the server starts', '✓ repository'],
    ['while tasks run', 'backing up'],
  ])('that is interrupted %s leaves nothing', async (_, text) => {
    const demo = startDemo();
    await expect.poll(() => demo.output(), { timeout: 60_000 }).toContain(text);
    demo.child.kill('SIGINT');
    demo.child.kill('SIGINT');
    expect(await demo.ended, demo.output()).toBe(130);
    expect(demo.leftovers()).toEqual([]);
  });
});
