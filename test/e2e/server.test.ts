import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ensureBuilt, runProgram, startProgram, type RunningProgram } from '../support/e2e/program.ts';
import { tempDir } from '../support/temp-dir.ts';

/** `semaphore server` as a stranger starts it: the example file, and what the terminal says. */

const root = join(import.meta.dirname, '../..');
const env = { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', LANG: 'C.UTF-8' };

beforeAll(ensureBuilt);

async function start(file: string, directory: string): Promise<{ program: RunningProgram; url: string }> {
  const args = ['server', '--config', file, '--listen', '127.0.0.1:0', '--data-dir', join(directory, 'data')];
  const program = startProgram(args, { cwd: directory, env, log: join(directory, 'log') });
  onTestFinished(async () => {
    program.child.kill('SIGKILL');
    await program.ended;
  });
  const listening = /listening on (http:\S+)/;
  await expect.poll(() => program.output(), { timeout: 10_000 }).toMatch(listening);
  return { program, url: listening.exec(program.output())?.[1] ?? '' };
}

describe('semaphore server', () => {
  it('serves the example file, says how a runner comes to it, and ends when asked', async () => {
    const directory = tempDir();
    const { program, url } = await start(join(root, 'server.example.yaml'), directory);
    expect(await (await fetch(`${url}/api/ping`)).text()).toBe('pong');
    expect(program.output()).toContain(`SEMAPHORE_WEB_ROOT=${url}`);
    expect(program.output()).toContain(`--registration-token-file ${join(directory, 'data', 'registration-token')}`);
    program.child.kill('SIGTERM');
    expect(await program.ended).toEqual({ code: 0, signal: null });
  });

  it('reads its file again on SIGHUP, and keeps the old one when the new one is wrong', async () => {
    const directory = tempDir();
    const file = join(directory, 'server.yaml');
    copyFileSync(join(root, 'server.example.yaml'), file);
    const { program } = await start(file, directory);
    program.child.kill('SIGHUP');
    await expect.poll(() => program.output()).toContain('The server file was read again');
    writeFileSync(file, 'projects: [{nmae: x}]');
    program.child.kill('SIGHUP');
    await expect.poll(() => program.output()).toContain('The server file cannot be used; the old one stays in effect');
    expect(program.output()).toContain(`${file}: 2 problems`);
    program.child.kill('SIGINT');
    expect(await program.ended).toEqual({ code: 0, signal: null });
  });

  it.each([
    [['--config', 'nowhere.yaml'], 'nowhere.yaml does not exist'],
    [[], 'server.yaml does not exist'],
    [
      ['--config', join(root, 'server.example.yaml'), '--listen', 'here'],
      '--listen here: expected host:port or a port',
    ],
  ])('with %j exits 2 and says why', (args, message) => {
    const result = runProgram(['server', ...args], { cwd: tempDir(), env });
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(message);
    expect(result.stderr).not.toContain('    at ');
  });

  it('refuses a port that is taken', async () => {
    const directory = tempDir();
    const { url } = await start(join(root, 'server.example.yaml'), directory);
    const args = [
      'server',
      '--config',
      join(root, 'server.example.yaml'),
      '--data-dir',
      tempDir(),
      '--listen',
      new URL(url).host,
    ];
    const result = runProgram(args, { cwd: directory, env });
    expect(result).toMatchObject({ code: 2, stderr: expect.stringContaining('the port is in use') });
  });
});
