import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildProgram, runProgram } from '../support/built-program.ts';
import { tempDir } from '../support/temp-dir.ts';

let directory: string;
let program: { bin: string; bundle: string };

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'semaphore-built-'));
  program = buildProgram(directory);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

const run = async (...args: string[]) => await runProgram(program.bin, args);

/** A copy to damage. */
function copy(): string {
  const target = tempDir();
  for (const part of ['bin', 'dist', 'package.json'])
    cpSync(join(directory, part), join(target, part), { recursive: true });
  return target;
}

const version = (
  JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as { version: string }
).version;

describe('the launcher', () => {
  it.each([['--version'], ['-v'], ['version']])('answers %s', async (word) => {
    expect(await run(word)).toEqual({ code: 0, signal: undefined, out: `semaphore ${version}\n`, err: '' });
  });

  it('passes exit codes on', async () => {
    expect(await run('bogus')).toEqual({
      code: 2,
      signal: undefined,
      out: '',
      err: 'Error: unknown command: semaphore bogus\nSee: semaphore --help\n',
    });
  });

  it('gives a long help to a reader that leaves early', async () => {
    const { code, out, err } = await runProgram('sh', ['-c', `"${program.bin}" runner setup --help | head -n 1`]);
    expect({ code, out, err }).toEqual({
      code: 0,
      out: 'Make a configuration file, step by step, and register if you like.\n',
      err: '',
    });
  });

  it('says what to do when the program is not built', async () => {
    const target = copy();
    rmSync(join(target, 'dist'), { recursive: true });
    const { code, err } = await runProgram(join(target, 'bin/semaphore'), ['runner']);
    expect(code).toBe(2);
    expect(err).toMatch(/^semaphore is not built yet\. Run .*\n$/);
  });

  it('works from any directory and through a link', async () => {
    const elsewhere = tempDir();
    const { symlinkSync } = await import('node:fs');
    symlinkSync(program.bin, join(elsewhere, 'sem'));
    expect(await runProgram(join(elsewhere, 'sem'), ['config'], { cwd: '/' })).toMatchObject({ code: 0, err: '' });
  });
});

describe('the environment', () => {
  it.each(['development', 'test', 'production'])('may say NODE_ENV=%s', async (value) => {
    const { code, out, err } = await runProgram(program.bin, ['config', 'show', '--no-config'], {
      env: { NODE_ENV: value },
    });
    expect({ code, out, err }).toEqual({ code: 0, out: 'Configuration file: none\n', err: '' });
  });

  it('cannot bring plugins in', async () => {
    const home = tempDir();
    mkdirSync(join(home, 'semaphore'));
    const plugins = { name: 'x', version: '1.0.0', oclif: { plugins: [{ name: 'evil', type: 'user' }] } };
    writeFileSync(join(home, 'semaphore/package.json'), JSON.stringify(plugins));
    const { code, err } = await runProgram(program.bin, ['config', 'show', '--no-config'], {
      env: { XDG_DATA_HOME: home, HOME: home },
    });
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });
});

describe('an error that nobody waited for', () => {
  it('is told in two lines and ends the program', async () => {
    const preload = join(tempDir(), 'preload.cjs');
    const later = "setImmediate(() => { throw new Error('boom'); })";
    writeFileSync(preload, `process.on('newListener', (name) => { if (name === 'uncaughtException') ${later}; });`);
    const { code, err } = await runProgram(process.execPath, [
      '-r',
      preload,
      program.bin,
      'config',
      'show',
      '--no-config',
    ]);
    expect(code).toBe(1);
    expect(err).toMatch(/^Error: unexpected: boom\nThis is a mistake in semaphore itself\. .*\n$/);
  });
});

describe('the code cache', () => {
  it('is made by the build and accepted', () => {
    const require = createRequire(import.meta.url);
    const { loadBundle } = require(join(directory, 'bin/load-bundle.cjs')) as {
      loadBundle: (file: string, source: string) => { cacheUsed: boolean; script: { cachedDataRejected?: boolean } };
    };
    const { cacheUsed, script } = loadBundle(program.bundle, readFileSync(program.bundle, 'latin1'));
    expect({ cacheUsed, rejected: script.cachedDataRejected }).toEqual({ cacheUsed: true, rejected: false });
  });

  it.each(['missing', 'damaged', 'of another bundle'])('is not needed: %s', async (kind) => {
    const target = copy();
    const cache = join(target, `dist/semaphore.cjs.${process.version}-${process.arch}.cache`);
    if (kind === 'missing') rmSync(cache);
    else if (kind === 'damaged') writeFileSync(cache, 'damaged');
    else writeFileSync(cache, readFileSync(cache).subarray(0, 1000));
    const { code, out, err } = await runProgram(join(target, 'bin/semaphore'), ['config', 'show', '--no-config']);
    expect({ code, out, err }).toEqual({ code: 0, out: 'Configuration file: none\n', err: '' });
  });

  it('belongs to a bundle that is pure ASCII, and imports nothing dynamically', () => {
    const source = readFileSync(program.bundle);
    expect(source.every((byte) => byte < 128)).toBe(true);
    expect(source.toString('latin1')).not.toMatch(/\bawait import\(/);
  });
});

describe('what is loaded', () => {
  /** Names of the bundled modules that a command line evaluates. */
  async function loaded(...args: string[]): Promise<string[]> {
    const target = tempDir();
    mkdirSync(join(target, 'dist'));
    cpSync(join(directory, 'bin'), join(target, 'bin'), { recursive: true });
    cpSync(join(directory, 'package.json'), join(target, 'package.json'));
    const source = readFileSync(program.bundle, 'latin1');
    const recording = source
      .replaceAll('(0,cb[', '(semaphoreRecord(cb),cb[')
      .replaceAll('(0,fn[', '(semaphoreRecord(fn),fn[');
    const record =
      "const semaphoreRecord = (module) => require('node:fs').appendFileSync(process.env.RECORD, Object.keys(module)[0] + '\\n');";
    writeFileSync(join(target, 'dist/semaphore.cjs'), record + recording);
    const list = join(target, 'list');
    expect(await runProgram(join(target, 'bin/semaphore'), args, { env: { RECORD: list } })).toMatchObject({
      code: 0,
      err: '',
    });
    return readFileSync(list, 'utf8').trim().split('\n');
  }

  const packagesOf = (modules: readonly string[]) =>
    new Set(modules.map((name) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(name)?.[1] ?? name));

  it.each([
    ['--help'],
    ['runner', '--help'],
    ['runner start --help'],
    ['agent --help'],
    ['agent start --help'],
    ['agent version'],
    ['completion', 'bash'],
  ])('%s needs none of the large libraries', async (...words) => {
    const packages = packagesOf(await loaded(...words.flatMap((word) => word.split(' '))));
    expect([...packages]).toContain('@oclif/core');
    const large = [
      'got',
      'ws',
      'yaml',
      'pino',
      'zod',
      'conf',
      'ajv',
      'ssh2',
      'simple-git',
      '@clack/prompts',
      'p-queue',
      'cron-parser',
      'jsonc-parser',
      'chalk',
      'execa',
      'hpagent',
      'jose',
    ];
    expect(large.filter((name) => packages.has(name))).toEqual([]);
    expect(
      [...packages].filter((name) =>
        /^src\/(runner|agent|server|tasks|executors|git|http|protocol|config|telemetry)\//.test(name),
      ),
    ).toEqual([]);
  });

  it('needs the configuration to show it, but no network', async () => {
    const packages = packagesOf(await loaded('config', 'show', '--no-config'));
    expect([...packages]).toEqual(expect.arrayContaining(['zod', 'jsonc-parser']));
    expect(['got', 'ws', 'yaml', 'pino', 'ssh2', 'conf'].filter((name) => packages.has(name))).toEqual([]);
  });
});
