import { describe, expect, it } from 'vitest';
import { maxChunkBytes } from '../../src/executors/shell-session/output-chunks.ts';
import { startedSession } from '../support/shell-session.ts';

/** Spec CI 5.10, through the real shell and terminal. */

describe('the output of a command', () => {
  it('is one chunk when it comes with the end and is short', async () => {
    const { run } = await startedSession();
    const line = `${'特定の伝説に拠る物語の由来'.repeat(6)}\n`;
    for (let turn = 0; turn < 10; turn += 1) {
      expect((await run(`echo '${line.trim()}'`)).chunks).toEqual([line]);
      expect((await run("printf '%s' {1..200}; echo; printf '%0500d' 1")).chunks.length).toBe(1);
    }
    expect((await run(String.raw`printf '\xFF\xFE\xC3\xE2\x82'`)).chunks).toEqual(['\uFFFD'.repeat(5)]);
  });

  it('is a chunk of its own when silence follows', async () => {
    const { run } = await startedSession();
    expect((await run('echo one; sleep 0.5; echo two; sleep 0.5; printf three; sleep 0.5')).chunks).toEqual([
      'one\n',
      'two\n',
      'three',
    ]);
  });

  it('comes while the command runs, also when it trickles', async () => {
    const { session } = await startedSession();
    const times: number[] = [];
    const start = performance.now();
    await session.run('for i in {1..30}; do echo $i; sleep 0.04; done', {
      onOutput: () => void times.push(performance.now() - start),
    });
    expect(times.length).toBeGreaterThan(3);
    expect((times[0] ?? Infinity) < (times.at(-1) ?? 0) - 500).toBe(true);
  });

  it('has line ends as LF, keeps a lone CR, and never splits a character or a CR LF', async () => {
    const { run } = await startedSession();
    expect((await run(String.raw`printf '10%%\r20%%\r\n'; printf 'a\nb\r'`)).output).toBe('10%\r20%\r\na\nb\r');
    const text = `${'ä€😀'.repeat(20_000)}\n`;
    const { output, chunks } = await run("for i in {1..20000}; do printf 'ä€😀'; done; echo");
    expect(output).toBe(text);
    expect(chunks.join('')).not.toContain('\uFFFD');
    expect(chunks.every((chunk) => Buffer.byteLength(chunk) <= maxChunkBytes)).toBe(true);
    expect((await run(String.raw`printf '\xE2\x82'; sleep 0.3; printf '\xAC'`)).output).toBe('€');
    expect((await run(String.raw`printf 'x\xF0\x9F'; sleep 0.3; exit 0`)).chunks).toEqual(['x', '\uFFFD\uFFFD']);
  });

  it('is complete, 20 MB of it, though the consumer is slow and the command has to wait', async () => {
    const { session } = await startedSession();
    let bytes = 0;
    let atWork = 0;
    let most = 0;
    const { exitCode } = await session.run('head -c 20000000 /dev/zero | tr "\\0" x; exit 0', {
      onOutput: async (text) => {
        atWork += 1;
        most = Math.max(most, atWork);
        bytes += text.length;
        if (bytes % 1_000_000 < maxChunkBytes) await new Promise((resolve) => setTimeout(resolve, 20));
        atWork -= 1;
      },
    });
    expect(bytes).toBe(20_000_000);
    expect(exitCode).toBe(1);
    expect(most).toBeLessThan(50);
  });

  it('ends the run with the error of its consumer', async () => {
    const { session, run } = await startedSession();
    const failing = session.run('echo x', { onOutput: () => Promise.reject(new Error('disk full')) });
    await expect(failing).rejects.toThrow('disk full');
    expect((await run('echo on')).output).toBe('on\n');
  });
});
