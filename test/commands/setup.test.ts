import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startRegisterServer } from '../support/register-server.ts';
import { runInProcess } from '../support/run-cli.ts';
import { tempDir } from '../support/temp-dir.ts';

const read = (cwd: string, name: string) => readFileSync(join(cwd, name), 'utf8');
const config = (cwd: string, name = 'config.runner.json') => JSON.parse(read(cwd, name)) as unknown;
/** An answer per line; the empty ones take the default. */
const lines = (...answers: string[]) => `${answers.join('\n')}\n`;

describe('runner setup with answers from a pipe', () => {
  it('asks in the order of the original, and registers', async () => {
    const server = await startRegisterServer();
    const cwd = tempDir();
    const { code, out, err } = await runInProcess(['runner', 'setup'], {
      cwd,
      input: lines(server.url, '', '', 'YES', 'good', 'etc'),
    });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toBe(`Semaphore server URL (default http://localhost:3000): 
Do you want to store token in external file? (yes/no) (default no): 
Do you have runner's token? (yes/no) (default no): 
Do you want to register new runner on the server? (yes/no) (default no): 
Enter runner registration token: 
Config output directory (default <dir>): 
Configuration written to <dir>/etc/config.runner.json..
Start it with:             semaphore runner start --config <dir>/etc/config.runner.json
or in the background:      nohup semaphore runner start --config <dir>/etc/config.runner.json &
`);
    expect(config(cwd, 'etc/config.runner.json')).toEqual({ web_host: server.url, runner: { token: 'token-1=' } });
    expect(statSync(join(cwd, 'etc/config.runner.json')).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(cwd, 'etc'))).toEqual(['config.runner.json']);
  });

  it('stores a token that is known already, in a file of its own', async () => {
    const server = await startRegisterServer();
    server.tokens.add('mine');
    const cwd = tempDir();
    const input = lines(`${server.url}/`, 'y', 'run/runner.token', 'yes', '', 'mine');
    mkdirSync(join(cwd, 'run'));
    const { code, out } = await runInProcess(['runner', 'setup', '--config', 'own.json'], { cwd, input });
    expect(code).toBe(0);
    expect(out).toContain('Path to the file where runner token will be stored (default <dir>/runner.token): \n');
    expect(out).toContain('Enter valid runner token: \nEnter valid runner token: \n');
    expect(config(cwd, 'own.json')).toEqual({
      web_host: server.url,
      runner: { token_file: join(cwd, 'run/runner.token') },
    });
    expect(read(cwd, 'run/runner.token')).toBe('mine');
    expect(statSync(join(cwd, 'run/runner.token')).mode & 0o777).toBe(0o600);
    expect(server.requests.map(({ method, path, body }) => [method, path, body])).toEqual([
      ['GET', '/api/ping', undefined],
      ['PUT', '/api/internal/runners', { Jobs: null }],
    ]);
  });

  it('takes defaults for what is not answered', async () => {
    const server = await startRegisterServer();
    const cwd = tempDir();
    const { code, out } = await runInProcess(['runner', 'setup'], { cwd, input: lines(server.url) });
    expect(code).toBe(0);
    expect(config(cwd)).toEqual({ web_host: server.url });
    expect(out).toContain('Register this runner with: semaphore runner register --config <dir>/config.runner.json\n');
  });

  it('goes on when the server is away, and says so', async () => {
    const cwd = tempDir();
    const { code, out } = await runInProcess(['runner', 'setup'], {
      cwd,
      input: lines('http://127.0.0.1:1', '', 'yes', 'mine'),
    });
    expect(code).toBe(0);
    expect(out).toContain('cannot connect to 127.0.0.1:<port>: the connection was refused\n');
    expect(config(cwd)).toEqual({ web_host: 'http://127.0.0.1:1', runner: { token: 'mine' } });
  });

  it('writes nothing when a token is refused', async () => {
    const server = await startRegisterServer();
    const cwd = tempDir();
    const { code, err } = await runInProcess(['runner', 'setup'], {
      cwd,
      input: lines(server.url, '', 'yes', 'wrong'),
    });
    expect(code).toBe(4);
    expect(err).toMatch(/^Error: the server does not know this runner \(404: Runner not found\)\n/);
    expect(readdirSync(cwd)).toEqual([]);
  });

  it('keeps the configuration when the registration is refused, and says how to go on', async () => {
    const server = await startRegisterServer();
    const cwd = tempDir();
    const { code, out, err } = await runInProcess(['runner', 'setup', '--config', 'c.json'], {
      cwd,
      input: lines(server.url, '', '', 'yes', 'bad'),
    });
    expect(code).toBe(4);
    expect(out).toMatch(
      /The configuration is written\. Try again with: semaphore runner register --config <dir>\/c\.json\n$/,
    );
    expect(err.split('\n')).toHaveLength(3);
    expect(config(cwd, 'c.json')).toEqual({ web_host: server.url });
    expect(
      await runInProcess(['runner', 'register', '--stdin-registration-token'], { cwd, input: 'good' }),
    ).toMatchObject({ code: 0 });
    expect(config(cwd, 'c.json')).toEqual({ web_host: server.url, runner: { token: 'token-1=' } });
  });

  it.each([
    ['', 'standard input ended before this was answered: Semaphore server URL (default http://localhost:3000):'],
    [
      'ftp://x\n',
      'Semaphore server URL: a URL begins with http:// or https://, for example https://semaphore.example.com',
    ],
    ['http://127.0.0.1:1\n\nyes\n', 'standard input ended before this was answered: Enter valid runner token:'],
  ])('explains a bad script: %j', async (input, message) => {
    const cwd = tempDir();
    const { code, err } = await runInProcess(['runner', 'setup'], { cwd, input });
    expect(code).toBe(2);
    expect(err.split('\n')[0]).toBe(`Error: ${message}`);
    expect(readdirSync(cwd)).toEqual([]);
  });
});

describe('runner setup by flags', () => {
  it('asks nothing', async () => {
    const server = await startRegisterServer();
    const cwd = tempDir();
    writeFileSync(join(cwd, 'reg'), 'good');
    const flags = [
      '--yes',
      '--server-url',
      server.url,
      '--token-file',
      't',
      '--registration-token-file',
      'reg',
      '--config',
      'c.yaml',
      '--name',
      'n',
      '--tags',
      'a,b',
      '--project-id',
      '3',
      '--max-parallel-tasks',
      '2',
    ];
    const { code, out, err } = await runInProcess(['runner', 'setup', ...flags], { cwd });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).not.toContain('(default');
    expect(read(cwd, 'c.yaml')).toBe(`web_host: ${server.url}
runner:
  token_file: ${cwd}/t
  name: n
  tags:
    - a
    - b
  project_id: 3
  max_parallel_tasks: 2
`);
    expect(read(cwd, 't')).toBe('token-1=');
    expect(server.requests.at(-1)?.body).toEqual({
      registration_token: 'good',
      name: 'n',
      tags: ['a', 'b'],
      project_id: 3,
      max_parallel_tasks: 2,
      enabled: true,
    });
  });

  it('takes tokens from standard input', async () => {
    const server = await startRegisterServer();
    server.tokens.add('mine');
    const registered = tempDir();
    expect(
      await runInProcess(['runner', 'setup', '--stdin-registration-token', '--server-url', server.url], {
        cwd: registered,
        input: 'good\n',
      }),
    ).toMatchObject({ code: 0 });
    expect(config(registered)).toEqual({ web_host: server.url, runner: { token: 'token-2=' } });
    const known = tempDir();
    expect(
      await runInProcess(['runner', 'setup', '--stdin-runner-token', '--server-url', server.url], {
        cwd: known,
        input: 'mine',
      }),
    ).toMatchObject({ code: 0 });
    expect(config(known)).toEqual({ web_host: server.url, runner: { token: 'mine' } });
  });

  it('takes the server from the variable', async () => {
    const server = await startRegisterServer();
    const cwd = tempDir();
    expect(
      await runInProcess(['runner', 'setup', '--yes'], { cwd, env: { SEMAPHORE_WEB_ROOT: server.url } }),
    ).toMatchObject({ code: 0 });
    expect(config(cwd)).toEqual({ web_host: server.url });
    expect(await runInProcess(['runner', 'setup', '--yes'])).toEqual({
      code: 2,
      out: '',
      err: 'Error: not answered: Semaphore server URL\nGive it as a flag; see: semaphore runner setup --help\n',
    });
  });
});

describe('runner setup on a file that is there', () => {
  const before = `{\n  // keep me\n  "unknown": true,\n  "web_host": "http://old",\n  "runner": {\n    "token": "old",\n    "name": "mine"\n  }\n}\n`;

  it('needs --force without a terminal', async () => {
    const cwd = tempDir();
    writeFileSync(join(cwd, 'c.json'), before);
    const { code, err } = await runInProcess(['runner', 'setup', '--config', 'c.json'], {
      cwd,
      input: lines('http://127.0.0.1:1'),
    });
    expect({ code, err }).toEqual({
      code: 2,
      err: 'Error: <dir>/c.json is there already\nChange it with --force, or name another one with --config.\n',
    });
    expect(read(cwd, 'c.json')).toBe(before);
  });

  it('changes what was answered and keeps the rest, the token too', async () => {
    const server = await startRegisterServer();
    const cwd = tempDir();
    writeFileSync(join(cwd, 'c.json'), before);
    expect(
      await runInProcess(['runner', 'setup', '--config', 'c.json', '--force', '--yes', '--server-url', server.url], {
        cwd,
      }),
    ).toMatchObject({ code: 0 });
    expect(read(cwd, 'c.json')).toBe(before.replace('http://old', server.url));
  });

  it('moves the token to the token file that is wanted now', async () => {
    const server = await startRegisterServer();
    server.tokens.add('old');
    const cwd = tempDir();
    writeFileSync(join(cwd, 'c.json'), before, { mode: 0o600 });
    const flags = ['--config', 'c.json', '--force', '--yes', '--server-url', server.url, '--token-file', 't'];
    expect(await runInProcess(['runner', 'setup', ...flags], { cwd })).toMatchObject({ code: 0, err: '' });
    expect(read(cwd, 't')).toBe('old');
    expect(read(cwd, 'c.json')).toContain('"token_file"');
    expect(read(cwd, 'c.json')).not.toContain('"token":');
    expect(await runInProcess(['config', 'show', '--config', 'c.json'], { cwd })).toMatchObject({ code: 0 });
  });

  it('puts a new token in the place of the old', async () => {
    const server = await startRegisterServer();
    const cwd = tempDir();
    writeFileSync(join(cwd, 'c.json'), before, { mode: 0o600 });
    const flags = ['--config', 'c.json', '--force', '--server-url', server.url, '--stdin-registration-token'];
    expect(await runInProcess(['runner', 'setup', ...flags], { cwd, input: 'good' })).toMatchObject({ code: 0 });
    expect(read(cwd, 'c.json')).toBe(before.replace('http://old', server.url).replace('"old"', '"token-1="'));
  });
});

describe('the file used last', () => {
  it('is found by the next command', async () => {
    const server = await startRegisterServer();
    const env = { XDG_CONFIG_HOME: tempDir() };
    const made = tempDir();
    await runInProcess(['runner', 'setup', '--yes', '--server-url', server.url], { cwd: made, env });
    const { out } = await runInProcess(['config', 'show'], { env });
    expect(out).toContain(`Configuration file: ${made}/config.runner.json\n`);
    expect(existsSync(join(env.XDG_CONFIG_HOME, 'semaphore/state.json'))).toBe(true);
    expect(statSync(join(env.XDG_CONFIG_HOME, 'semaphore/state.json')).mode & 0o777).toBe(0o600);
  });

  it('does not matter when it cannot be remembered', async () => {
    const server = await startRegisterServer();
    const { code, err } = await runInProcess(['runner', 'setup', '--yes', '--server-url', server.url], {
      env: { XDG_CONFIG_HOME: '/dev/null' },
    });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const damaged = tempDir();
    mkdirSync(join(damaged, 'semaphore'));
    writeFileSync(join(damaged, 'semaphore/state.json'), '{"lastConfigFile": ');
    expect((await runInProcess(['config', 'show'], { env: { XDG_CONFIG_HOME: damaged } })).err).toContain(
      'no configuration file found',
    );
  });
});
