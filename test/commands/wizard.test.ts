import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildProgram } from '../support/built-program.ts';
import { startRegisterServer } from '../support/register-server.ts';
import { tempDir } from '../support/temp-dir.ts';
import { inTerminal, type TerminalStep } from '../support/terminal.ts';
import { needs } from '../support/tools.ts';

let directory: string;
let bin: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'semaphore-built-'));
  ({ bin } = buildProgram(directory));
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

const enter = '\r';
const ctrlC = '\u0003';

async function wizard(cwd: string, steps: readonly TerminalStep[], ...args: string[]) {
  return await inTerminal([process.execPath, bin, 'runner', 'setup', ...args], steps, {
    cwd,
    env: { HOME: cwd, XDG_CONFIG_HOME: join(cwd, '.state') },
  });
}

describe.runIf(needs('python3'))('runner setup in a terminal', () => {
  it('checks answers at once, lets wrong ones be given again, and registers', async () => {
    const server = await startRegisterServer();
    const cwd = tempDir();
    const { code, screen, missed } = await wizard(cwd, [
      { wait: 'Semaphore server URL', send: `nonsense${enter}` },
      { wait: 'a URL begins with http:// or https://', send: '\u0015' },
      { wait: 'Semaphore server URL', send: `http://127.0.0.1:1${enter}` },
      { wait: 'Use this URL all the same?', send: enter },
      { wait: 'Semaphore server URL', send: `${server.url}${enter}` },
      { wait: 'The server answers', send: '' },
      { wait: 'store token in external file', send: enter },
      { wait: "have runner's token", send: `y` },
      { wait: 'Enter valid runner token', send: `wrong${enter}` },
      { wait: 'refuses the token', send: '' },
      { wait: 'Enter valid runner token', send: ctrlC },
    ]);
    expect(missed).toBeNull();
    expect(code).toBe(130);
    expect(screen).toContain('the connection was refused');
    expect(screen).toContain('http://localhost:3000');
    expect(screen).not.toContain('wrong');
    expect(screen).toMatch(/Cancelled\.\s*$/);
    expect(readdirSync(cwd)).toEqual([]);

    const second = await wizard(cwd, [
      { wait: 'Semaphore server URL', send: `${server.url}${enter}` },
      { wait: 'store token in external file', send: 'y' },
      { wait: 'Path to the file where runner token', send: enter },
      { wait: "have runner's token", send: enter },
      { wait: 'register new runner on the server', send: enter },
      { wait: 'Enter runner registration token', send: `good${enter}` },
      { wait: 'Name of this runner', send: enter },
      { wait: 'Tags of this runner', send: `a, b${enter}` },
      { wait: 'Config output directory', send: enter },
      { wait: 'Start it with', send: '' },
    ]);
    expect(second).toMatchObject({ code: 0, missed: null });
    expect(second.screen).not.toContain('good');
    const config = JSON.parse(readFileSync(join(cwd, 'config.runner.json'), 'utf8')) as unknown;
    expect(config).toEqual({
      web_host: server.url,
      runner: { token_file: join(cwd, 'runner.token'), name: hostname(), tags: ['a', 'b'] },
    });
    expect(readFileSync(join(cwd, 'runner.token'), 'utf8')).toBe('token-1=');
    expect(statSync(join(cwd, 'runner.token')).mode & 0o777).toBe(0o600);
    expect(server.requests.at(-1)?.body).toMatchObject({
      registration_token: 'good',
      name: hostname(),
      tags: ['a', 'b'],
      enabled: true,
    });
  });

  it('asks before it changes a file, and leaves it alone by default', async () => {
    const server = await startRegisterServer();
    server.tokens.add('mine');
    const cwd = tempDir();
    writeFileSync(join(cwd, 'c.json'), '{"unknown": 1}');
    const refused = await wizard(cwd, [{ wait: 'is there already. Change it?', send: enter }], '--config', 'c.json');
    expect(refused).toMatchObject({ code: 2, missed: null });
    expect(readFileSync(join(cwd, 'c.json'), 'utf8')).toBe('{"unknown": 1}');

    const steps = [
      { wait: 'is there already. Change it?', send: 'y' },
      { wait: 'Semaphore server URL', send: `${server.url}${enter}` },
      { wait: 'store token in external file', send: 'n' },
      { wait: "have runner's token", send: 'y' },
      { wait: 'Enter valid runner token', send: `mine${enter}` },
      { wait: 'accepts the token', send: '' },
      { wait: 'Start it with', send: '' },
    ];
    const changed = await wizard(cwd, steps, '--config', 'c.json');
    expect(changed).toMatchObject({ code: 0, missed: null });
    expect(JSON.parse(readFileSync(join(cwd, 'c.json'), 'utf8'))).toEqual({
      unknown: 1,
      web_host: server.url,
      runner: { token: 'mine' },
    });
    expect(existsSync(join(cwd, 'config.runner.json'))).toBe(false);
  });
});
