import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRunnerConfig } from '../../src/config/index.ts';
import { tempDir } from '../support/temp-dir.ts';
import { failureOf, loadText } from './support.ts';

/** What systemd makes of `LoadCredential=`: files that the service alone can read, in a directory of its own. */
function credentials(files: Readonly<Record<string, string>>): { CREDENTIALS_DIRECTORY: string } {
  const directory = join(tempDir(), 'semaphore.service');
  mkdirSync(directory, { mode: 0o700 });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text, { mode: 0o400 });
  chmodSync(directory, 0o500);
  return { CREDENTIALS_DIRECTORY: directory };
}

describe('a systemd credential', () => {
  it('gives the token when nothing else does', async () => {
    const env = credentials({ 'semaphore-runner-token': 'from-systemd\n' });
    const { config, warnings } = await loadText('{}', { env });
    expect(config.runner).toMatchObject({
      token: 'from-systemd',
      tokenFile: undefined,
      tokenCredential: join(env.CREDENTIALS_DIRECTORY, 'semaphore-runner-token'),
    });
    expect(warnings).toEqual([]);
  });

  it('gives way to the file, the variable, the token file and the keychain', async () => {
    const env = credentials({ 'semaphore-runner-token': 'from-systemd' });
    const file = join(tempDir(), 't');
    writeFileSync(file, 'from-file', { mode: 0o600 });
    const cases = [
      [await loadText('{"runner": {"token": "own"}}', { env }), 'own'],
      [await loadText('{}', { env: { ...env, SEMAPHORE_RUNNER_TOKEN: 'variable' } }), 'variable'],
      [await loadText('{}', { env: { ...env, SEMAPHORE_RUNNER_TOKEN_FILE: file } }), 'from-file'],
      [await loadText('{"runner": {"token_store": "keychain"}}', { env }), undefined],
    ] as const;
    for (const [{ config }, token] of cases) {
      expect(config.runner.token).toBe(token);
      expect(config.runner.tokenCredential).toBeUndefined();
    }
  });

  it('gives the registration token, after the variable', async () => {
    const env = credentials({ 'semaphore-registration-token': 'register-me\n' });
    const load = async (more: Record<string, string> = {}) =>
      (await loadRunnerConfig({ noConfig: true, env: { ...env, ...more }, cwd: '/' })).config.runner.registrationToken;
    expect(await load()).toBe('register-me');
    expect(await load({ SEMAPHORE_RUNNER_REGISTRATION_TOKEN: 'variable' })).toBe('variable');
  });

  it('is none where there is no directory, or another name in it', async () => {
    for (const env of [
      {},
      { CREDENTIALS_DIRECTORY: '/nowhere' },
      { CREDENTIALS_DIRECTORY: 'relative' },
      credentials({ other: 'x' }),
    ]) {
      const { config } = await loadText('{}', { env });
      expect(config.runner).toMatchObject({
        token: undefined,
        tokenCredential: undefined,
        registrationToken: undefined,
      });
    }
  });
});

describe('a token file', () => {
  it('of more than one word is refused without being shown', async () => {
    const file = join(tempDir(), 'token');
    writeFileSync(file, 'one two\n', { mode: 0o600 });
    const failure = await failureOf(loadText('{}', { env: { SEMAPHORE_RUNNER_TOKEN_FILE: file } }));
    expect(failure).toBe(
      `ConfigError: ${file}: the token file holds more than one word | It must hold the token and nothing else.`,
    );
  });
});
