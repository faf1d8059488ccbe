import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildProgram, runProgram, type RunResult } from '../support/built-program.ts';
import { startSession } from '../support/keychain-session.ts';
import { startRegisterServer, type RegisterServer } from '../support/register-server.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';

let directory: string;
let bin: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'semaphore-keychain-'));
  ({ bin } = buildProgram(directory));
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(join(import.meta.dirname, '../../node_modules/@napi-rs'), join(directory, 'node_modules/@napi-rs'));
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Runner {
  cwd: string;
  config: string;
  run: (command: string, env: Record<string, string>, input?: string, program?: string) => Promise<RunResult>;
}

/** A runner with `token_store: keychain`; in one-off mode, so that it ends by itself when there is nothing to do. */
function runnerOf(server: RegisterServer): Runner {
  const cwd = tempDir();
  const config = join(cwd, 'runner.json');
  const text = { web_host: server.url, tmp_path: join(cwd, 'work'), runner: { token_store: 'keychain' } };
  writeFileSync(config, JSON.stringify(text), { mode: 0o600 });
  return {
    cwd,
    config,
    run: async (command, env, input = '', program = bin) =>
      await runProgram(program, ['runner', ...command.split(' '), '--config', config], { cwd, env, input }),
  };
}

const register = 'register --stdin-registration-token';
const noKeychain = needs('gnome-keyring-daemon') && needs('dbus-daemon') ? undefined : 'not installed';

describe.runIf(noKeychain === undefined)('the token in a keychain', () => {
  it('is put there by register, found by the next command, and removed by unregister; no file has it', async () => {
    const server = await startRegisterServer();
    const { env } = await startSession({ keyring: true });
    const runner = runnerOf(server);
    const registered = await runner.run(register, env, 'good');
    expect(registered).toMatchObject({ code: 0, err: '' });
    expect(registered.out).toContain(`the token is in the keychain, as "${server.url} ${runner.config}".`);
    expect(readdirSync(runner.cwd)).toEqual(['runner.json']);
    expect(readFileSync(runner.config, 'utf8')).not.toContain('token-1');

    // It is there: a second registration is refused, and the server is asked in its name.
    expect(await runner.run(register, env, 'good')).toMatchObject({
      code: 2,
      err: expect.stringContaining('already registered') as string,
    });
    const gone = await runner.run('unregister', env);
    expect(gone).toMatchObject({ code: 0 });
    expect(gone.out).toContain('The token was removed from the keychain');
    expect(server.requests.map(({ method, token }) => [method, token])).toEqual([
      ['POST', undefined],
      ['DELETE', 'token-1='],
    ]);
    expect(await runner.run('start', env)).toMatchObject({
      code: 2,
      err: expect.stringContaining('This runner has no token') as string,
    });
  });

  it('that is locked is said to be, before the server is asked for a token', async () => {
    const server = await startRegisterServer();
    const session = await startSession({ keyring: true });
    const runner = runnerOf(server);
    expect(await runner.run(register, session.env, 'good')).toMatchObject({ code: 0 });
    await session.lock();
    for (const command of ['start', register]) {
      expect(await runner.run(command, session.env, 'good')).toMatchObject({
        code: 2,
        err: expect.stringMatching(
          /^(.*\n)*Error: the keychain cannot be used: it is locked\n.*runner\.token_store "file"/,
        ) as string,
      });
    }
    expect(server.requests.length).toBe(1);
  });

  it('that is none is said to be none; the kernel’s keyring, which a reboot empties, is not used in its place', async () => {
    const server = await startRegisterServer();
    const runner = runnerOf(server);
    const { env } = await startSession({ keyring: false });
    const cases = [
      [env, 'no keychain service answers in this session'],
      [{}, 'there is no desktop session (no D-Bus session bus) for this user'],
      [
        { DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nowhere/bus' },
        'there is no desktop session (no D-Bus session bus) for this user',
      ],
    ] as const;
    for (const [variables, text] of cases) {
      const { code, err } = await runner.run(register, variables, 'good');
      expect(code).toBe(2);
      expect(err).toMatch(new RegExp(`^Error: the keychain cannot be used: ${text.replaceAll(/[()]/g, '\\$&')}\\n`));
      expect(err).toContain('runner.token_store "file"');
      expect(err.trimEnd().split('\n')).toHaveLength(2);
    }
    expect(server.requests).toEqual([]);
  });
});

describe('a keychain', () => {
  it('needs a package that may have been left out, and says so', async () => {
    const server = await startRegisterServer();
    const bare = join(tempDir(), 'bare');
    cpSync(directory, bare, { recursive: true, filter: (path) => !path.endsWith('/node_modules') });
    const { code, err } = await runnerOf(server).run(register, {}, 'good', join(bare, 'bin/semaphore'));
    expect(code).toBe(2);
    expect(err).toMatch(
      /^Error: the keychain cannot be used: the package @napi-rs\/keyring is not installed\n.*npm install/,
    );
  });
});
