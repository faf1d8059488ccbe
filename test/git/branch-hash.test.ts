import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { branchHash } from '../../src/git/branch-hash.ts';
import { tempDir } from '../support/temp-dir.ts';

function repository(): { mirror: string; git: (...args: string[]) => string } {
  const directory = tempDir();
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], {
      cwd: directory,
      encoding: 'utf8',
    }).trim();
  git('init', '-q', '-b', 'main', '.');
  git('commit', '-q', '--allow-empty', '-m', 'one');
  git('branch', 'a/b');
  git('commit', '-q', '--allow-empty', '-m', 'two');
  const mirror = join(directory, 'mirror');
  git('clone', '-q', '--mirror', '.', mirror);
  return { mirror, git };
}

describe('branchHash', () => {
  it('reads loose and packed branches as git does, a loose one first', async () => {
    const { mirror, git } = repository();
    const expected = { main: git('rev-parse', 'main'), 'a/b': git('rev-parse', 'a/b') };
    for (const branch of ['main', 'a/b'] as const) expect(await branchHash(mirror, branch)).toBe(expected[branch]);
    git('-C', mirror, 'update-ref', 'refs/heads/main', expected['a/b']);
    expect(await branchHash(mirror, 'main')).toBe(expected['a/b']);
    git('-C', mirror, 'pack-refs', '--all');
    expect(await branchHash(mirror, 'main')).toBe(expected['a/b']);
  });

  it('knows nothing of what is not there, not a branch, or not a name', async () => {
    const { mirror, git } = repository();
    git('-C', mirror, 'symbolic-ref', 'refs/heads/link', 'refs/heads/main');
    for (const branch of ['none', 'b', 'link', '../main', '']) expect(await branchHash(mirror, branch)).toBeUndefined();
    rmSync(mirror, { recursive: true });
    expect(await branchHash(mirror, 'main')).toBeUndefined();
  });
});
