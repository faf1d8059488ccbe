import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRunnerConfig } from '../../src/config/index.ts';
import { openTokenSource, type TokenSource } from '../../src/secrets/index.ts';
import { tempDir } from '../support/temp-dir.ts';

interface Watched {
  source: TokenSource;
  changes: string[];
  warnings: string[];
}

async function watch(runner: object, env: Record<string, string>, cwd: string): Promise<Watched> {
  writeFileSync(join(cwd, 'config.json'), JSON.stringify({ runner }), { mode: 0o600 });
  const loaded = await loadRunnerConfig({ env, cwd });
  const { token = '' } = loaded.config.runner;
  const changes: string[] = [];
  const warnings: string[] = [];
  const source = openTokenSource({
    loaded,
    token,
    onChange: (renewed) => changes.push(renewed),
    onWarning: (text) => warnings.push(text),
  });
  return { source, changes, warnings };
}

function put(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
}

describe('the token of a running runner', () => {
  it('is taken from its file, however that is replaced', async () => {
    const cwd = tempDir();
    const path = join(cwd, 't');
    put(path, 'one\n');
    const { source, changes, warnings } = await watch({ token_file: 't' }, {}, cwd);
    expect(source.current()).toBe('one');
    put(path, 'two\n');
    expect(source.current()).toBe('two');
    put(join(cwd, 'new'), 'three');
    renameSync(join(cwd, 'new'), path);
    expect(source.current()).toBe('three');
    expect(source.current()).toBe('three');
    expect(changes).toEqual(['two', 'three']);
    expect(warnings).toEqual([]);
    expect(source.mayChange).toBe(true);
  });

  it('is followed through a link, as Kubernetes replaces what it mounts', async () => {
    const cwd = tempDir();
    for (const [name, token] of [
      ['v1', 'one'],
      ['v2', 'two'],
    ] as const) {
      mkdirSync(join(cwd, name));
      put(join(cwd, name, 'token'), token);
    }
    symlinkSync('v1', join(cwd, '..data'));
    symlinkSync('..data/token', join(cwd, 't'));
    const { source } = await watch({ token_file: 't' }, {}, cwd);
    expect(source.current()).toBe('one');
    symlinkSync('v2', join(cwd, '..next'));
    renameSync(join(cwd, '..next'), join(cwd, '..data'));
    expect(source.current()).toBe('two');
  });

  it('stays when the file is empty, gone or nonsense, which is told once each', async () => {
    const cwd = tempDir();
    const path = join(cwd, 't');
    put(path, 'one');
    const { source, changes, warnings } = await watch({ token_file: 't' }, {}, cwd);
    const steps = [() => put(path, '\n'), () => put(path, 'several words'), () => rmSync(path), () => mkdirSync(path)];
    for (const step of steps) {
      step();
      expect(source.current()).toBe('one');
      expect(source.current()).toBe('one');
    }
    expect(warnings.map((text) => text.replace(path, 'FILE').replace(/(ENOENT|EISDIR).*/, '$1'))).toEqual([
      'the token file FILE cannot be used: it is empty',
      'the token file FILE cannot be used: it holds more than one word',
      'the token file FILE cannot be used: ENOENT',
      'the token file FILE cannot be used: EISDIR',
    ]);
    expect(warnings.join()).not.toContain('several');
    rmSync(path, { recursive: true });
    put(path, 'two');
    expect(source.current()).toBe('two');
    expect(changes).toEqual(['two']);
  });

  it('of a systemd credential is followed, too', async () => {
    const cwd = tempDir();
    const directory = join(cwd, 'credentials');
    mkdirSync(directory);
    const path = join(directory, 'semaphore-runner-token');
    put(path, 'one');
    const { source } = await watch({}, { CREDENTIALS_DIRECTORY: directory }, cwd);
    expect(source.current()).toBe('one');
    chmodSync(path, 0o600);
    put(path, 'two');
    expect(source.current()).toBe('two');
  });

  it('in the configuration is looked up again only when asked, and the environment never', async () => {
    const cwd = tempDir();
    const { source, changes } = await watch({ token: 'one' }, {}, cwd);
    put(join(cwd, 'config.json'), '{"runner": {"token": "two"}}');
    expect(source.current()).toBe('one');
    expect(await source.refresh()).toBe(true);
    expect(source.current()).toBe('two');
    expect(await source.refresh()).toBe(false);
    put(join(cwd, 'config.json'), '{');
    expect(await source.refresh()).toBe(false);
    expect(changes).toEqual(['two']);

    const fixed = await watch({}, { SEMAPHORE_RUNNER_TOKEN: 'given' }, tempDir());
    expect(fixed.source.mayChange).toBe(false);
    expect(await fixed.source.refresh()).toBe(false);
    expect(fixed.source.current()).toBe('given');
  });
});
