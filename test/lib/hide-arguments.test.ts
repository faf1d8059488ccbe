import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';

const root = join(import.meta.dirname, '..', '..');

it.runIf(process.platform === 'linux').each([
  ['apart', ['--token', 'very-secret-token'], '--token *** '],
  ['behind an equals sign', ['--token=very-secret-token'], '--token=*** '],
])(
  'takes a token that was given %s out of the process list, and the command still has it',
  async (_how, given, seen) => {
    const script = `
    import { hideArguments } from ${JSON.stringify(join(root, 'src', 'lib', 'hide-arguments.ts'))};
    hideArguments(['--token']);
    process.stdout.write(process.argv.includes('last') && process.argv.join(' ').includes('very-secret-token') ? 'ready' : 'lost');
    process.stdin.resume();
  `;
    const { build } = await import('esbuild');
    const file = join(tempDir(), 'program.cjs');
    await build({
      stdin: { contents: script, resolveDir: root, loader: 'ts' },
      bundle: true,
      outfile: file,
      platform: 'node',
      format: 'cjs',
    });
    const child = spawn(process.execPath, [file, ...given, 'last'], {
      stdio: 'pipe',
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await expect.poll(() => said, { timeout: 30_000 }).toBe('ready');
    const line = readFileSync(`/proc/${child.pid}/cmdline`, 'latin1');
    expect(line).not.toContain('very-secret');
    expect(line.replaceAll('\0', ' ')).toContain(seen);
  },
);
