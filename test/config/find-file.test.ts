import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRunnerConfig } from '../../src/config/index.ts';
import { tempDir } from '../support/temp-dir.ts';
import { failureOf, loadText } from './support.ts';

function directoryWith(...names: string[]): string {
  const cwd = tempDir();
  for (const name of names)
    writeFileSync(
      join(cwd, name),
      name.endsWith('json') ? `{"runner": {"name": "${name}"}}` : `runner: {name: ${name}}`,
    );
  return cwd;
}

describe('the search for a configuration file', () => {
  it.each([
    [['config.json', 'config.yaml', 'config.yml'], 'config.json'],
    [['config.yaml', 'config.yml'], 'config.yaml'],
    [['config.yml', 'config.toml'], 'config.yml'],
  ])('finds among %j in the current directory %s', async (names, found) => {
    const cwd = directoryWith(...names);
    const { config, file } = await loadRunnerConfig({ env: {}, cwd });
    expect(config.runner.name).toBe(found);
    expect(file).toBe(join(cwd, found));
  });

  it('prefers the variable to the search, and the flag to the variable', async () => {
    const cwd = directoryWith('config.json', 'a.json', 'b.json');
    const env = { SEMAPHORE_CONFIG_PATH: 'a.json' };
    expect((await loadRunnerConfig({ env, cwd })).config.runner.name).toBe('a.json');
    expect((await loadRunnerConfig({ env, cwd, configPath: 'b.json' })).config.runner.name).toBe('b.json');
    expect((await loadRunnerConfig({ env: { SEMAPHORE_CONFIG_PATH: '' }, cwd })).config.runner.name).toBe(
      'config.json',
    );
  });

  it('asks for the file used last only when there is no other', async () => {
    const other = join(directoryWith('last.json'), 'last.json');
    const fallbackFile = async () => other;
    expect((await loadRunnerConfig({ env: {}, cwd: tempDir(), fallbackFile })).file).toBe(other);
    expect(
      (await loadRunnerConfig({ env: {}, cwd: directoryWith('config.yml'), fallbackFile })).config.runner.name,
    ).toBe('config.yml');
    expect(
      await failureOf(loadRunnerConfig({ env: {}, cwd: tempDir(), fallbackFile: async () => `${other}.gone` })),
    ).toMatch(/no configuration file found/);
  });

  it('reads none at all when told so, whatever the variable names', async () => {
    const cwd = directoryWith('config.json');
    const { file, config } = await loadRunnerConfig({ env: { SEMAPHORE_CONFIG_PATH: cwd }, cwd, noConfig: true });
    expect({ file, name: config.runner.name }).toEqual({ file: undefined, name: undefined });
  });

  it('says what it looked for, and what to do', async () => {
    expect(await failureOf(loadRunnerConfig({ env: {}, cwd: tempDir() }))).toMatch(
      /^ConfigError: no configuration file found: looked for .* \| Name one with --config, create one with `semaphore runner setup`, or use --no-config and environment variables\.$/,
    );
  });

  it('says that a named file is not there, or is a directory', async () => {
    const cwd = tempDir();
    mkdirSync(join(cwd, 'd'));
    const missing = await failureOf(loadRunnerConfig({ env: {}, cwd, configPath: 'x/y.json' }));
    expect(missing).toBe(
      `ConfigError: --config names ${cwd}/x/y.json, which does not exist | Create it with \`semaphore runner setup\`.`,
    );
    expect(await failureOf(loadRunnerConfig({ env: { SEMAPHORE_CONFIG_PATH: 'd' }, cwd }))).toContain(
      `SEMAPHORE_CONFIG_PATH names ${cwd}/d, which is a directory | Name the file in it`,
    );
  });
});

describe('the token file', () => {
  it('gives the token, trimmed', async () => {
    const cwd = tempDir();
    writeFileSync(join(cwd, 't'), 'abc=\n', { mode: 0o600 });
    const { config, warnings } = await loadText('{"runner": {"token_file": "t"}}', {
      cwd,
      configPath: writeConfig(cwd),
    });
    expect(config.runner.token).toBe('abc=');
    expect(warnings).toEqual([]);
  });

  it('may be missing or empty: the runner is not registered yet', async () => {
    const cwd = tempDir();
    const configPath = writeConfig(cwd);
    expect((await loadRunnerConfig({ env: {}, cwd, configPath })).config.runner).toMatchObject({
      token: undefined,
      tokenFile: join(cwd, 't'),
    });
    writeFileSync(join(cwd, 't'), '\n', { mode: 0o600 });
    expect((await loadRunnerConfig({ env: {}, cwd, configPath })).config.runner.token).toBeUndefined();
  });

  it('must be readable when it is there', async () => {
    const cwd = tempDir();
    mkdirSync(join(cwd, 't'));
    expect(await failureOf(loadRunnerConfig({ env: {}, cwd, configPath: writeConfig(cwd) }))).toMatch(
      /cannot read the token file: EISDIR/,
    );
  });

  it('should be readable by its owner only', async () => {
    const cwd = tempDir();
    writeFileSync(join(cwd, 't'), 'abc');
    chmodSync(join(cwd, 't'), 0o644);
    const { warnings } = await loadRunnerConfig({ env: {}, cwd, configPath: writeConfig(cwd) });
    expect(warnings).toEqual([
      `${cwd}/t: every user of this machine can read this file, and it is the runner token; run: chmod 600 ${cwd}/t`,
    ]);
  });
});

function writeConfig(cwd: string): string {
  const path = join(cwd, 'runner.json');
  writeFileSync(path, '{"runner": {"token_file": "t"}}');
  return path;
}
