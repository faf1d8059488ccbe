import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ensureStorable, forgetToken, storeToken, type TokenHome } from '../../src/secrets/index.ts';
import { tempDir } from '../support/temp-dir.ts';

const file = (path: string) => ({ kind: 'file', path }) satisfies TokenHome;
const config = (path: string) => ({ kind: 'config', path }) satisfies TokenHome;
const isRoot = process.getuid?.() === 0;

/** Runs as somebody who may not write everywhere; root only pretends to be one. */
async function asNobody(directory: string, work: () => Promise<void>): Promise<void> {
  if (!isRoot) return await work();
  chownSync(directory, 65_534, 65_534);
  process.seteuid?.(65_534);
  try {
    await work();
  } finally {
    process.seteuid?.(0);
  }
}

describe('the token store', () => {
  it('writes a token file whole, bare and private, and replaces it', async () => {
    const directory = tempDir();
    const path = join(directory, 'runner.token');
    writeFileSync(path, 'old\n', { mode: 0o644 });
    await ensureStorable(file(path));
    expect(readFileSync(path, 'utf8')).toBe('old\n');
    await storeToken(file(path), 'new=');
    expect(readFileSync(path, 'utf8')).toBe('new=');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toEqual(['runner.token']);
  });

  it('makes the directory of a token file, for its owner only', async () => {
    const path = join(tempDir(), 'a/b/token');
    await ensureStorable(file(path));
    await storeToken(file(path), 'x');
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
  });

  it('keeps a token in the configuration and forgets it again', async () => {
    const path = join(tempDir(), 'c.json');
    writeFileSync(path, '{\n  // c\n  "a": 1\n}\n');
    await ensureStorable(config(path));
    expect(readFileSync(path, 'utf8')).toBe('{\n  // c\n  "a": 1\n}\n');
    await storeToken(config(path), 'x');
    expect(readFileSync(path, 'utf8')).toContain('"token": "x"');
    await forgetToken(config(path));
    expect(readFileSync(path, 'utf8')).toMatch(/^\{\n {2}\/\/ c\n {2}"a": 1,\n {2}"runner": \{\s*\}\n\}\n$/);
    await forgetToken(config(path));
  });

  it('forgets a token file, also one that is gone already', async () => {
    const path = join(tempDir(), 't');
    writeFileSync(path, 'x');
    await forgetToken(file(path));
    await forgetToken(file(path));
    expect(existsSync(path)).toBe(false);
  });

  it.runIf(isRoot)('leaves a file with the owner it had', async () => {
    const directory = tempDir();
    for (const home of [file(join(directory, 't')), config(join(directory, 'c.json'))]) {
      writeFileSync(home.path, '{}');
      chownSync(home.path, 1234, 1235);
      await storeToken(home, 'x');
      expect(statSync(home.path)).toMatchObject({ uid: 1234, gid: 1235 });
    }
  });

  it('says that there is no place, before anything is asked for', async () => {
    const directory = tempDir();
    mkdirSync(join(directory, 'taken'));
    writeFileSync(join(directory, 'file'), '');
    await expect(ensureStorable(file(join(directory, 'taken')))).rejects.toThrow(
      /cannot store the token in the token file .*taken: it is a directory/,
    );
    await expect(ensureStorable(file(join(directory, 'file/t')))).rejects.toThrow(
      /cannot store the token in the token file/,
    );
    await expect(ensureStorable(config(join(directory, 'none.json')))).rejects.toThrow(
      /cannot store the token in the configuration file .*ENOENT/,
    );
    writeFileSync(join(directory, 'broken.json'), '{');
    await expect(ensureStorable(config(join(directory, 'broken.json')))).rejects.toThrow(/not valid JSON/);
  });

  it('notices a directory that cannot be written', async () => {
    const directory = tempDir();
    writeFileSync(join(directory, 'c.json'), '{}');
    chmodSync(join(directory, 'c.json'), 0o644);
    await asNobody(directory, async () => {
      chmodSync(directory, 0o500);
      await expect(ensureStorable(file(join(directory, 't')))).rejects.toThrow(/EACCES/);
      await expect(ensureStorable(config(join(directory, 'c.json')))).rejects.toThrow(/EACCES/);
      await expect(storeToken(config(join(directory, 'c.json')), 'x')).rejects.toMatchObject({
        name: 'UserError',
        hint: expect.stringContaining('runner.token_file') as string,
      });
      chmodSync(directory, 0o700);
    });
    expect(readdirSync(directory)).toEqual(['c.json']);
  });

  it('writes into a file that can be written but not replaced, as one that is mounted into a container', async () => {
    const directory = tempDir();
    const path = join(directory, 't');
    await asNobody(directory, async () => {
      writeFileSync(path, 'old', { mode: 0o600 });
      chmodSync(directory, 0o500);
      await ensureStorable(file(path));
      await storeToken(file(path), 'x');
      chmodSync(directory, 0o700);
    });
    expect(readFileSync(path, 'utf8')).toBe('x');
  });

  it('writes the file behind a link, which stays one, and makes the file of a link that leads nowhere yet', async () => {
    const directory = tempDir();
    mkdirSync(join(directory, 'volume'));
    for (const there of [true, false]) {
      const link = join(directory, there ? 'linked' : 'dangling');
      const target = join(directory, 'volume', there ? 'one' : 'two');
      if (there) writeFileSync(target, 'old', { mode: 0o644 });
      symlinkSync(join('volume', there ? 'one' : 'two'), link);
      await ensureStorable(file(link));
      await storeToken(file(link), 'new');
      expect(lstatSync(link).isSymbolicLink()).toBe(true);
      expect(readFileSync(target, 'utf8')).toBe('new');
      expect(statSync(target).mode & 0o777).toBe(0o600);
    }
    expect(readdirSync(join(directory, 'volume')).sort()).toEqual(['one', 'two']);
  });

  it.runIf(isRoot)('does not follow a link that a stranger has put where everybody may write', async () => {
    const directory = tempDir();
    chmodSync(directory, 0o1777);
    const victim = join(tempDir(), 'victim');
    writeFileSync(victim, 'precious');
    const link = join(directory, 'token');
    symlinkSync(victim, link);
    lchownSync(link, 65_534, 65_534);
    for (const attempt of [ensureStorable, async (home: TokenHome) => await storeToken(home, 'new')]) {
      await expect(attempt(file(link))).rejects.toThrow(
        /cannot store the token in the token file .*somebody else has made/,
      );
    }
    expect(readFileSync(victim, 'utf8')).toBe('precious');
  });
});
