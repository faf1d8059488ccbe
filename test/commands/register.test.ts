import { createPublicKey } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startRegisterServer, type SeenRequest } from '../support/register-server.ts';
import { runInProcess } from '../support/run-cli.ts';
import { tempDir } from '../support/temp-dir.ts';

const bodyOf = (request: SeenRequest | undefined) => (request?.body ?? {}) as Record<string, unknown>;

function directoryWith(config: unknown, name = 'config.json'): string {
  const cwd = tempDir();
  writeFileSync(join(cwd, name), typeof config === 'string' ? config : JSON.stringify(config), { mode: 0o600 });
  return cwd;
}

const read = (cwd: string, name: string) => readFileSync(join(cwd, name), 'utf8');
const modeOf = (cwd: string, name: string) => statSync(join(cwd, name)).mode & 0o777;

describe('runner register', () => {
  it('takes the token from a pipe and keeps the runner’s own in the configuration file', async () => {
    const server = await startRegisterServer();
    const before = `{\n  // our server\n  "web_host": "${server.url}/",\n  "unknown": [1, 2],\n  "runner": {\n    "name": "eu-1"\n  }\n}\n`;
    const cwd = directoryWith(before, 'f.json');
    chmodSync(join(cwd, 'f.json'), 0o644);
    const { code, out, err } = await runInProcess(
      ['runner', 'register', '--stdin-registration-token', '--config', 'f.json'],
      { cwd, input: 'good\n' },
    );
    expect({ code, out, err }).toEqual({
      code: 0,
      out: 'Registered at http://127.0.0.1:<port>; the token is in <dir>/f.json.\nStart it with: semaphore runner start --config <dir>/f.json\n',
      err: 'Warning: <dir>/f.json:4:3: unknown key unknown\n',
    });
    expect(server.requests).toEqual([
      {
        method: 'POST',
        path: '/api/internal/runners',
        token: undefined,
        body: { registration_token: 'good', name: 'eu-1', max_parallel_tasks: 9999, enabled: true },
      },
    ]);
    expect(read(cwd, 'f.json')).toBe(before.replace('"eu-1"', '"eu-1",\n    "token": "token-1="'));
    expect(modeOf(cwd, 'f.json')).toBe(0o600);
  });

  it('writes the token file, bare and private, and leaves the configuration alone', async () => {
    const server = await startRegisterServer();
    const text = JSON.stringify({ web_host: server.url, runner: { token_file: 'deep/er/runner.token' } });
    const cwd = directoryWith(text);
    writeFileSync(join(cwd, 'reg'), ' good \n');
    const { code, err } = await runInProcess(['runner', 'register', '--registration-token-file', 'reg'], { cwd });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(read(cwd, 'deep/er/runner.token')).toBe('token-1=');
    expect(modeOf(cwd, 'deep/er/runner.token')).toBe(0o600);
    expect(modeOf(cwd, 'deep')).toBe(0o700);
    expect(read(cwd, 'config.json')).toBe(text);
  });

  it('works without a file, from variables alone', async () => {
    const server = await startRegisterServer();
    const cwd = tempDir();
    const { code, out } = await runInProcess(['runner', 'register', '--no-config'], {
      cwd,
      env: {
        SEMAPHORE_WEB_ROOT: server.url,
        SEMAPHORE_RUNNER_TOKEN_FILE: join(cwd, 't'),
        SEMAPHORE_RUNNER_REGISTRATION_TOKEN: 'good',
        SEMAPHORE_RUNNER_TAGS: '["env"]',
        SEMAPHORE_RUNNER_ENABLED: 'false',
      },
    });
    expect({ code, out }).toEqual({
      code: 0,
      out: 'Registered at http://127.0.0.1:<port>; the token is in <dir>/t.\nStart it with: semaphore runner start --no-config\n',
    });
    expect(server.requests[0]?.body).toEqual({ registration_token: 'good', max_parallel_tasks: 9999, tags: ['env'] });
    expect(read(cwd, 't')).toBe('token-1=');
  });

  it('edits YAML as well as JSON', async () => {
    const server = await startRegisterServer();
    const cwd = directoryWith(`# ours\nweb_host: ${server.url}\nrunner:\n  name: y # why\n`, 'config.yaml');
    const { code } = await runInProcess(['runner', 'register', '--stdin-registration-token'], { cwd, input: 'good' });
    expect(code).toBe(0);
    expect(read(cwd, 'config.yaml')).toBe(
      `# ours\nweb_host: ${server.url}\nrunner:\n  name: y # why\n  token: token-1=\n`,
    );
  });

  it('sends flags instead of the configuration where they are given, and is active unless told otherwise', async () => {
    const server = await startRegisterServer();
    const configured = { name: 'file', tags: ['file'], webhook: 'http://file', project_id: 3, max_parallel_tasks: 2 };
    const register = async (...flags: string[]) => {
      const cwd = directoryWith({ web_host: server.url, runner: configured });
      const { code, err } = await runInProcess(['runner', 'register', '--stdin-registration-token', ...flags], {
        cwd,
        input: 'good',
      });
      expect({ code, err }).toEqual({ code: 0, err: '' });
      return server.requests.at(-1)?.body;
    };
    const base = { registration_token: 'good', ...configured, enabled: true };
    expect(await register()).toEqual(base);
    expect(await register('--project-id', '0')).toEqual(base);
    expect(
      await register(
        '--name',
        'flag',
        '--tags',
        'a,b',
        '--tags=c',
        '--webhook',
        'http://flag',
        '--project-id=9',
        '--no-enabled',
      ),
    ).toEqual({
      registration_token: 'good',
      name: 'flag',
      tags: ['a', 'b', 'c'],
      webhook: 'http://flag',
      project_id: 9,
      max_parallel_tasks: 2,
    });
    expect(await register('--enabled=false')).not.toHaveProperty('enabled');
    expect(await register('--enabled=true')).toEqual(base);
    expect(await register('--enabled')).toEqual(base);
  });

  it('takes the registration token from the first place that has one', async () => {
    const server = await startRegisterServer();
    const cwd = tempDir();
    const config = {
      web_host: server.url,
      runner: { token_file: 't', registration_token_file: join(cwd, 'configured') },
    };
    writeFileSync(join(cwd, 'config.json'), JSON.stringify(config));
    writeFileSync(join(cwd, 'flag'), 'from-flag');
    writeFileSync(join(cwd, 'configured'), 'from-config');
    const options = { cwd, input: 'from-stdin', env: { SEMAPHORE_RUNNER_REGISTRATION_TOKEN: 'from-env' } };
    const sent = async (...flags: string[]) => {
      await runInProcess(['runner', 'register', ...flags], options);
      return bodyOf(server.requests.at(-1))['registration_token'];
    };
    expect(await sent('--registration-token-file', 'flag', '--stdin-registration-token')).toBe('from-flag');
    expect(await sent('--stdin-registration-token')).toBe('from-config');
    writeFileSync(join(cwd, 'config.json'), JSON.stringify({ ...config, runner: { token_file: 't' } }));
    expect(await sent('--stdin-registration-token')).toBe('from-stdin');
    expect(await sent()).toBe('from-env');
  });

  it('takes it from a systemd credential when nothing else gives one; the runner’s own goes where it is told to', async () => {
    const server = await startRegisterServer();
    const credentials = tempDir();
    writeFileSync(join(credentials, 'semaphore-registration-token'), 'good\n', { mode: 0o400 });
    const cwd = directoryWith({ web_host: server.url, runner: { token_file: 't' } });
    const env = { CREDENTIALS_DIRECTORY: credentials };
    expect(await runInProcess(['runner', 'register'], { cwd, env })).toMatchObject({ code: 0, err: '' });
    expect(read(cwd, 't')).toBe('token-1=');
  });

  it('shows no credentials of the server’s URL', async () => {
    const server = await startRegisterServer();
    const cwd = directoryWith({ web_host: server.url.replace('//', '//user:s3cret@') });
    const env = { SEMAPHORE_RUNNER_REGISTRATION_TOKEN: 'good' };
    const { code, out, err } = await runInProcess(['runner', 'register'], { cwd, env });
    expect(code).toBe(0);
    expect(out).toContain('Registered at http://127.0.0.1:<port>; the token is in');
    expect(`${out}${err}`).not.toContain('s3cret');
  });

  it('makes an RSA key for servers that encrypt', async () => {
    const server = await startRegisterServer();
    const cwd = directoryWith({ web_host: server.url, runner: { private_key_file: 'keys/runner.pem' } });
    const register = async () =>
      await runInProcess(['runner', 'register', '--stdin-registration-token', '--force'], { cwd, input: 'good' });
    expect((await register()).code).toBe(0);
    const pem = read(cwd, 'keys/runner.pem');
    expect(pem).toMatch(/^-----BEGIN RSA PRIVATE KEY-----/);
    expect(modeOf(cwd, 'keys/runner.pem')).toBe(0o600);
    const sent = String(bodyOf(server.requests[0])['public_key']);
    const der = Buffer.from(sent.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
    expect(sent).toMatch(/^-----BEGIN PUBLIC KEY-----/);
    expect(createPublicKey({ key: der, format: 'der', type: 'pkcs1' }).export({ type: 'pkcs1', format: 'pem' })).toBe(
      createPublicKey(pem).export({ type: 'pkcs1', format: 'pem' }),
    );
    expect((await register()).code).toBe(0);
    expect(read(cwd, 'keys/runner.pem')).toBe(pem);
    writeFileSync(join(cwd, 'keys/runner.pem'), 'nonsense');
    const { code, err } = await register();
    expect(code).toBe(2);
    expect(err).toMatch(
      /^Warning: .*\nError: <dir>\/keys\/runner\.pem is not an RSA private key: .*\nRemove the file to have a new key made, or leave/,
    );
  });

  it('refuses to register twice, unless forced', async () => {
    const server = await startRegisterServer();
    const cwd = directoryWith({ web_host: server.url, runner: { token: 'old' } });
    const refused = await runInProcess(['runner', 'register', '--stdin-registration-token'], { cwd, input: 'good' });
    expect(refused).toEqual({
      code: 2,
      out: '',
      err: 'Error: this runner is already registered: there is a token\nStart it with `semaphore runner start`, or register once more with --force.\n',
    });
    expect(server.requests).toEqual([]);
    const forced = await runInProcess(['runner', 'register', '--stdin-registration-token', '--force'], {
      cwd,
      input: 'good',
    });
    expect(forced).toMatchObject({
      code: 0,
      err: 'Warning: the runner registered before stays on the server until it is deleted there\n',
    });
    expect(JSON.parse(read(cwd, 'config.json'))).toMatchObject({ runner: { token: 'token-1=' } });
  });

  it.each([
    [
      'no token at all',
      {},
      '',
      'there is no registration token\nGive it with --registration-token-file, --stdin-registration-token or SEMAPHORE_RUNNER_REGISTRATION_TOKEN.',
    ],
    [
      'an empty pipe',
      { '--stdin-registration-token': '' },
      ' \n',
      'the token is empty: standard input has nothing in it',
    ],
    [
      'several words',
      { '--stdin-registration-token': '' },
      'a b',
      'the token is malformed: standard input has more than one word in it',
    ],
    [
      'a missing file',
      { '--registration-token-file': 'nope' },
      '',
      "cannot read the registration token file: ENOENT: no such file or directory, open '<dir>/nope'",
    ],
  ])('explains %s', async (_, flags, input, message) => {
    const cwd = directoryWith({ web_host: 'http://127.0.0.1:1' });
    const words = Object.entries(flags).flatMap(([flag, value]) => (value === '' ? [flag] : [flag, value]));
    const { code, err } = await runInProcess(['runner', 'register', ...words], { cwd, input });
    expect({ code, err }).toEqual({ code: 2, err: `Error: ${message}\n` });
  });

  it('says which exit code belongs to which refusal', async () => {
    const server = await startRegisterServer();
    const cwd = directoryWith({ web_host: server.url });
    const register = async (input: string) =>
      await runInProcess(['runner', 'register', '--stdin-registration-token'], { cwd, input });
    const wrong = await register('bad');
    expect(wrong.code).toBe(4);
    expect(wrong.err).toMatch(
      /^Error: the server refused the registration \(400: Invalid registration token\)\n.*one-time.*\n$/,
    );
    server.refusals.push({ status: 500, body: '{"error":"Unexpected error"}' });
    expect((await register('good')).code).toBe(3);
    server.refusals.push({ status: 200, body: '<html><title>Login</title></html>' });
    expect(await register('good')).toMatchObject({
      code: 3,
      err: expect.stringContaining('does not look like a Semaphore UI server'),
    });
    expect(read(cwd, 'config.json')).not.toContain('token');
    const away = directoryWith({ web_host: 'http://127.0.0.1:1' });
    expect(
      await runInProcess(['runner', 'register', '--stdin-registration-token'], { cwd: away, input: 'good' }),
    ).toMatchObject({
      code: 3,
      err: 'Error: cannot connect to 127.0.0.1:<port>: the connection was refused\nIs it running, and are host and port right?\n',
    });
  });
});

describe('a token that could not be kept', () => {
  const token = { SEMAPHORE_RUNNER_REGISTRATION_TOKEN: 'good' };

  it('is not asked for without a file at all', async () => {
    const server = await startRegisterServer();
    const { code, err } = await runInProcess(['runner', 'register', '--no-config'], {
      env: { ...token, SEMAPHORE_WEB_ROOT: server.url },
    });
    expect(code).toBe(2);
    expect(err).toBe(
      'Error: there is no place to keep the token: no configuration file is used, and no token file is set\nSet SEMAPHORE_RUNNER_TOKEN_FILE, or name a file with --config.\n',
    );
    expect(server.requests).toEqual([]);
  });

  it('is not asked for when the token comes from a variable', async () => {
    const server = await startRegisterServer();
    const cwd = directoryWith({ web_host: server.url });
    const { code, err } = await runInProcess(['runner', 'register', '--force'], {
      cwd,
      env: { ...token, SEMAPHORE_RUNNER_TOKEN: 'x' },
    });
    expect(code).toBe(2);
    expect(err).toContain('SEMAPHORE_RUNNER_TOKEN is set');
    expect(server.requests).toEqual([]);
  });

  it('is not asked for when the place is a directory, or below a file', async () => {
    const server = await startRegisterServer();
    for (const place of ['directory', 'config.json/t']) {
      const cwd = directoryWith({ web_host: server.url, runner: { token_file: place } });
      mkdirSync(join(cwd, 'directory'));
      const { code, err } = await runInProcess(['runner', 'register'], { cwd, env: token });
      expect(code).toBe(2);
      expect(err).toMatch(/^Error: <dir>\/.*: cannot read the token file: E(ISDIR|NOTDIR)/);
    }
    expect(server.requests).toEqual([]);
  });
});

describe('runner unregister', () => {
  it('deletes the runner and its token, and keeps the rest of the file', async () => {
    const server = await startRegisterServer();
    server.tokens.add('mine');
    const cwd = directoryWith(
      `{\n  // keep\n  "web_host": "${server.url}",\n  "runner": {\n    "token": "mine",\n    "name": "x"\n  }\n}\n`,
    );
    const { code, out, err } = await runInProcess(['runner', 'unregister'], { cwd });
    expect({ code, out, err }).toEqual({
      code: 0,
      out: 'Deleted on http://127.0.0.1:<port>.\nThe token was removed from <dir>/config.json.\n',
      err: '',
    });
    expect(server.requests).toMatchObject([{ method: 'DELETE', token: 'mine' }]);
    expect(read(cwd, 'config.json')).toBe(
      `{\n  // keep\n  "web_host": "${server.url}",\n  "runner": {\n    "name": "x"\n  }\n}\n`,
    );
  });

  it('removes the token file', async () => {
    const server = await startRegisterServer();
    server.tokens.add('mine');
    const cwd = directoryWith({ web_host: server.url, runner: { token_file: 't' } });
    writeFileSync(join(cwd, 't'), 'mine\n', { mode: 0o600 });
    expect((await runInProcess(['runner', 'unregister'], { cwd })).code).toBe(0);
    expect(existsSync(join(cwd, 't'))).toBe(false);
  });

  it('says that a systemd credential has to be removed by others', async () => {
    const server = await startRegisterServer();
    server.tokens.add('mine');
    const credentials = tempDir();
    writeFileSync(join(credentials, 'semaphore-runner-token'), 'mine', { mode: 0o400 });
    const cwd = directoryWith({ web_host: server.url });
    const { code, err } = await runInProcess(['runner', 'unregister'], {
      cwd,
      env: { CREDENTIALS_DIRECTORY: credentials },
    });
    expect({ code, err }).toEqual({
      code: 0,
      err: 'Warning: the token came from a systemd credential; remove it from the unit\n',
    });
    expect(server.tokens.size).toBe(0);
    expect(read(credentials, 'semaphore-runner-token')).toBe('mine');
  });

  it('is content with a server that does not know the runner', async () => {
    const server = await startRegisterServer();
    const cwd = directoryWith({ web_host: server.url, runner: { token: 'gone' } });
    const { code, out } = await runInProcess(['runner', 'unregister'], { cwd });
    expect({ code, out }).toEqual({
      code: 0,
      out: 'http://127.0.0.1:<port> did not know this runner any more.\nThe token was removed from <dir>/config.json.\n',
    });
    expect(read(cwd, 'config.json')).not.toContain('gone');
  });

  it('tells of a token it cannot remove', async () => {
    const server = await startRegisterServer();
    server.tokens.add('mine');
    const { code, err } = await runInProcess(['runner', 'unregister', '--no-config'], {
      env: { SEMAPHORE_WEB_ROOT: server.url, SEMAPHORE_RUNNER_TOKEN: 'mine' },
    });
    expect({ code, err }).toEqual({
      code: 0,
      err: 'Warning: the token came from SEMAPHORE_RUNNER_TOKEN; remove that variable\n',
    });
  });

  it('keeps the token when the server is away, and needs one', async () => {
    const cwd = directoryWith({ web_host: 'http://127.0.0.1:1', runner: { token: 'mine' } });
    expect((await runInProcess(['runner', 'unregister'], { cwd })).code).toBe(3);
    expect(read(cwd, 'config.json')).toContain('mine');
    expect(
      await runInProcess(['runner', 'unregister'], { cwd: directoryWith({ web_host: 'http://127.0.0.1:1' }) }),
    ).toMatchObject({
      code: 2,
      err: 'Error: this runner is not registered: there is no token\nName the configuration it was registered with by --config.\n',
    });
    expect(
      (await runInProcess(['runner', 'unregister'], { cwd: directoryWith({ runner: { token: 'x' } }) })).err,
    ).toContain('the URL of the server is not known');
  });
});
