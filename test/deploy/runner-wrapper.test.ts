import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';

/** The entry script of the image (spec 1.7) with stand-ins for the programs that it starts. */

const wrapper = join(import.meta.dirname, '../../deploy/docker/runner-wrapper');

const standIn = `#!/bin/sh
echo "$(basename "$0") $*"
env | grep '^SEMAPHORE_' | sort
exit "\${STAND_IN_EXIT:-0}"
`;

function stage() {
  const directory = tempDir();
  const bin = join(directory, 'bin');
  const config = join(directory, 'config');
  mkdirSync(bin);
  mkdirSync(config);
  for (const name of ['semaphore', 'agent', 'pip3']) {
    writeFileSync(join(bin, name), standIn);
    chmodSync(join(bin, name), 0o755);
  }
  const temporary = join(directory, 'tmp');
  mkdirSync(temporary);
  return {
    config,
    temporary,
    run: async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
      const { exitCode, stdout, stderr } = await execa(wrapper, args, {
        env: { PATH: `${bin}:/usr/bin:/bin`, SEMAPHORE_CONFIG_PATH: config, SEMAPHORE_TMP_PATH: temporary, ...env },
        extendEnv: false,
        reject: false,
      });
      const lines = stdout.split('\n');
      const environment = Object.fromEntries(
        lines.filter((line) => line.startsWith('SEMAPHORE_')).map((line) => line.split(/=(.*)/s).slice(0, 2)),
      ) as Record<string, string>;
      return { code: exitCode, started: lines.filter((line) => !line.startsWith('SEMAPHORE_')), environment, stderr };
    },
  };
}

describe('the wrapper without arguments', () => {
  it('registers with a registration token, and keeps the token of the runner below the work root', async () => {
    const { run, temporary } = stage();
    const { started, environment } = await run([], { SEMAPHORE_RUNNER_REGISTRATION_TOKEN: 'r' });
    expect(started).toEqual(['semaphore runner start --no-config --register']);
    expect(environment).toEqual({
      SEMAPHORE_RUNNER_REGISTRATION_TOKEN: 'r',
      SEMAPHORE_RUNNER_TOKEN_FILE: join(temporary, 'runner_token.txt'),
      SEMAPHORE_TMP_PATH: temporary,
    });
  });

  it('takes a file with the registration token as well', async () => {
    const { run } = stage();
    const { started } = await run([], { SEMAPHORE_RUNNER_REGISTRATION_TOKEN_FILE: '/run/secrets/token' });
    expect(started).toEqual(['semaphore runner start --no-config --register']);
  });

  it('leaves the place of the token to whoever names one', async () => {
    const { run } = stage();
    const registration = { SEMAPHORE_RUNNER_REGISTRATION_TOKEN: 'r' };
    const withToken = await run([], { ...registration, SEMAPHORE_RUNNER_TOKEN: 't' });
    expect(withToken.environment).not.toHaveProperty('SEMAPHORE_RUNNER_TOKEN_FILE');
    const withFile = await run([], { ...registration, SEMAPHORE_RUNNER_TOKEN_FILE: '/state/token' });
    expect(withFile.environment['SEMAPHORE_RUNNER_TOKEN_FILE']).toBe('/state/token');
  });

  it('does not register without a registration token', async () => {
    const { run } = stage();
    const { started, environment } = await run([], { SEMAPHORE_RUNNER_TOKEN: 't' });
    expect(started).toEqual(['semaphore runner start --no-config']);
    expect(environment).not.toHaveProperty('SEMAPHORE_RUNNER_TOKEN_FILE');
  });

  it('finds the token of an earlier start without the registration token', async () => {
    const { run, temporary } = stage();
    writeFileSync(join(temporary, 'runner_token.txt'), 't');
    const { environment } = await run([]);
    expect(environment['SEMAPHORE_RUNNER_TOKEN_FILE']).toBe(join(temporary, 'runner_token.txt'));
  });

  it('works below /tmp/semaphore unless told otherwise', async () => {
    const { run } = stage();
    const { environment } = await run([], { SEMAPHORE_TMP_PATH: '', SEMAPHORE_CONFIG_PATH: '' });
    expect(environment['SEMAPHORE_TMP_PATH']).toBe('/tmp/semaphore');
  });

  it('uses a configuration file where SEMAPHORE_CONFIG_PATH names one instead of a directory', async () => {
    const { run, config } = stage();
    const file = join(config, 'config.json');
    writeFileSync(file, '{}');
    const { started, environment } = await run([], { SEMAPHORE_CONFIG_PATH: file });
    expect(started).toEqual([`semaphore runner start --config ${file}`]);
    expect(environment).not.toHaveProperty('SEMAPHORE_RUNNER_TOKEN_FILE');
  });
});

describe('the wrapper with arguments', () => {
  it('executes a single one instead of the runner', async () => {
    const { run } = stage();
    const { started, environment } = await run(['semaphore'], { SEMAPHORE_RUNNER_REGISTRATION_TOKEN: 'r' });
    expect(started).toEqual(['semaphore ']);
    // The program would take the directory for its configuration file.
    expect(environment).not.toHaveProperty('SEMAPHORE_CONFIG_PATH');
  });

  it('executes several, which the original ignores', async () => {
    const { run } = stage();
    expect((await run(['semaphore', 'config', 'show'])).started).toEqual(['semaphore config show']);
  });

  it('starts an agent for `agent`', async () => {
    const { run } = stage();
    const { started, environment } = await run(['agent'], { SEMAPHORE_AGENT_ENDPOINT: 'acme.semaphoreci.com' });
    expect(started).toEqual(['agent start']);
    expect(environment['SEMAPHORE_AGENT_ENDPOINT']).toBe('acme.semaphoreci.com');
    expect((await run(['agent', 'version'])).started).toEqual(['agent version']);
  });

  it('ends with the exit code of what it starts', async () => {
    const { run } = stage();
    expect((await run([], { STAND_IN_EXIT: '4' })).code).toBe(4);
  });
});

describe('requirements.txt in the configuration directory', () => {
  it('is installed before anything is started', async () => {
    const { run, config } = stage();
    const file = join(config, 'requirements.txt');
    writeFileSync(file, 'netaddr\n');
    const { started } = await run([], { SEMAPHORE_RUNNER_TOKEN: 't' });
    expect(started).toEqual([
      `pip3 install --no-cache-dir --disable-pip-version-check -r ${file}`,
      'semaphore runner start --no-config',
    ]);
  });

  it('that cannot be installed ends the container, and says what to do', async () => {
    const { run, config } = stage();
    writeFileSync(join(config, 'requirements.txt'), 'netaddr\n');
    const { code, started, stderr } = await run([], { STAND_IN_EXIT: '1' });
    expect([code, started.length]).toEqual([1, 1]);
    expect(stderr).toContain('could not be installed');
  });
});
