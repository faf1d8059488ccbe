import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { buildProgram, runProgram } from '../support/built-program.ts';
import { startRegisterServer } from '../support/register-server.ts';
import { tempDir } from '../support/temp-dir.ts';

let directory: string;
let bin: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'semaphore-built-'));
  ({ bin } = buildProgram(directory));
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Running {
  child: ChildProcess;
  out: () => string;
  err: () => string;
  /** Resolves when the text was written to either stream. */
  seen(text: string): Promise<void>;
  ended: Promise<{ code: number | null; signal: string | null }>;
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}, cwd = tempDir()): Running {
  const child = spawn(bin, args, {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', HOME: cwd, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  return {
    child,
    out: () => out,
    err: () => err,
    seen: async (text) => {
      while (!`${out}${err}`.includes(text)) {
        if (child.exitCode !== null)
          throw new Error(`ended with ${String(child.exitCode)} before "${text}": ${out}${err}`);
        await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data'), once(child, 'close')]);
      }
    },
    ended: once(child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as string | null,
    })),
  };
}

describe('runner start', () => {
  it('registers itself in a container, connects, and ends at SIGTERM; the next start finds its token', async () => {
    const server = await startRegisterServer();
    const cwd = tempDir();
    const env = {
      SEMAPHORE_WEB_ROOT: server.url,
      SEMAPHORE_RUNNER_REGISTRATION_TOKEN: 'good',
      SEMAPHORE_RUNNER_TOKEN_FILE: join(cwd, 'runner.token'),
      SEMAPHORE_TMP_PATH: join(cwd, 'work'),
    };
    const first = start(['runner', 'start', '--no-config', '--register'], env, cwd);
    await first.seen('Runner connected');
    expect(first.out()).toBe('Runner connected\n');
    expect(first.err()).toMatch(
      / INFO Registering a new runner context=registration server=http:\/\/127\.0\.0\.1:\d+\n/,
    );
    expect(readFileSync(join(cwd, 'runner.token'), 'utf8')).toBe('token-1=');
    expect(statSync(join(cwd, 'runner.token')).mode & 0o777).toBe(0o600);
    if (process.platform === 'linux') {
      expect(readFileSync(`/proc/${String(first.child.pid)}/status`, 'utf8')).toContain('Umask:\t0077\n');
    }
    first.child.kill('SIGTERM');
    expect(await first.ended).toEqual({ code: 0, signal: null });
    expect(first.err()).not.toMatch(/token-1=|good/);

    const second = start(['runner', 'start', '--no-config', '--auto-register'], env, cwd);
    await second.seen('Runner connected');
    second.child.kill('SIGINT');
    expect(await second.ended).toEqual({ code: 0, signal: null });
    expect(server.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  it('can be interrupted while it tries to register', async () => {
    const running = start(['runner', 'start', '--no-config', '--register'], {
      SEMAPHORE_WEB_ROOT: 'http://127.0.0.1:1',
      SEMAPHORE_RUNNER_REGISTRATION_TOKEN: 'good',
      SEMAPHORE_RUNNER_TOKEN_FILE: join(tempDir(), 't'),
    });
    await running.seen('Registration failed; trying again every 5 seconds');
    running.child.kill('SIGINT');
    expect(await running.ended).toEqual({ code: 0, signal: null });
  });

  it('also works as `semaphore runner --config f`, and logs JSON when told to', async () => {
    const server = await startRegisterServer();
    server.tokens.add('mine');
    const cwd = tempDir();
    const config = { web_host: server.url, tmp_path: 'work', runner: { token: 'mine' }, git_client: 'go_git' };
    writeFileSync(join(cwd, 'f.json'), JSON.stringify(config), { mode: 0o600 });
    const running = start(['runner', '--config', 'f.json', '--log-format', 'json'], {}, cwd);
    await running.seen('Runner connected');
    running.child.kill('SIGTERM');
    expect(await running.ended).toEqual({ code: 0, signal: null });
    const lines = running
      .err()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toContainEqual(
      expect.objectContaining({ level: 'info', msg: 'Configuration read', file: join(cwd, 'f.json') }),
    );
    expect(lines).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        msg: 'Configuration is doubtful',
        detail: expect.stringContaining('git_client') as string,
      }),
    );
  });

  it.each([
    [['--no-config'], {}, /^Error: No server is configured|^Error: .*web_host/],
    [['--no-config'], { SEMAPHORE_WEB_ROOT: 'http://127.0.0.1:1' }, /^Error: .*not registered.*\n.*runner register/],
    [
      ['--no-config', '--register'],
      { SEMAPHORE_WEB_ROOT: 'http://127.0.0.1:1' },
      /^Error: there is no registration token\n/,
    ],
    [
      ['--no-config', '--register'],
      { SEMAPHORE_WEB_ROOT: 'http://127.0.0.1:1', SEMAPHORE_RUNNER_REGISTRATION_TOKEN: 'good' },
      /Error: there is no place to keep the token/,
    ],
    [['--config', 'nope.json'], {}, /^Error: --config names .*nope\.json, which does not exist\n/],
  ])('refuses with one clear error: %j %j', async (args, env, message) => {
    const { code, out, err } = await runProgram(bin, ['runner', 'start', ...args], {
      cwd: tempDir(),
      env,
    });
    const errors = err
      .split('\n')
      .filter((line) => !/^\d{4}-/.test(line))
      .join('\n');
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(errors).toMatch(message);
    expect(errors.trimEnd().split('\n').length).toBeLessThanOrEqual(2);
  });
});
