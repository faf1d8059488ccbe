import { describe, expect, it, vi } from 'vitest';
import type { Step } from '../../src/tasks/index.ts';
import { testTaskHost } from '../support/task-host.ts';

function bash(key: string, script: string): Step {
  return {
    key,
    phase: 'run',
    command: 'bash',
    args: ['-c', script],
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '' },
    stop: { signal: 'SIGTERM', graceMs: 500 },
  };
}

describe('the end of what a step has written', () => {
  it('is that of the step alone, of its latest run, and as long as asked for', async () => {
    const { host } = await testTaskHost();
    expect(await host.tail('a')).toBe('');
    await host.run(bash('a', 'echo first'));
    await host.run(bash('a', 'echo 1234567890'));
    await host.run(bash('b', 'head -c 20000 /dev/zero | tr "\\0" x; echo end'));
    expect(await host.tail('a')).toBe('1234567890\n');
    expect(await host.tail('a', 4)).toBe('890\n');
    expect(await host.tail('b')).toHaveLength(16 * 1024);
    expect(await host.tail('b', 100_000)).toHaveLength(20_004);
  });

  it('can be read while the step runs, with our own lines among it', async () => {
    const task = await testTaskHost();
    const { host } = task;
    const run = host.run(bash('a', 'printf "a question: "; exec sleep 30'));
    await vi.waitFor(async () => expect(await host.tail('a')).toBe('a question: '), 10_000);
    host.log('seen');
    expect(await host.tail('a')).toBe('a question: \nseen\n');
    task.stop();
    expect(await run).toEqual({ kind: 'stopped' });
  });
});
