import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { processesWith } from '../support/e2e/survivors.ts';
import { ensureBuilt } from '../support/e2e/program.ts';
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
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', resolve);
  });
  return {
    child,
    ended,
    output: () => output,
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

  it.each([
    ['while the server starts', '✓ repository'],
    ['while tasks run', 'backing up'],
  ])('that is interrupted %s leaves nothing', async (_, text) => {
    const demo = startDemo();
    await expect.poll(() => demo.output(), { timeout: 30_000 }).toContain(text);
    demo.child.kill('SIGINT');
    demo.child.kill('SIGINT');
    expect(await demo.ended, demo.output()).toBe(130);
    expect(demo.leftovers()).toEqual([]);
  });
});
