import { cpSync, existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';

const root = join(import.meta.dirname, '../..');
const rules = readFileSync(join(root, '.dockerignore'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));
const sent = rules.filter((rule) => rule.startsWith('!')).map((rule) => rule.slice(1));
const dockerfile = readFileSync(join(root, 'deploy/docker/Dockerfile'), 'utf8');

describe('the context of the image', () => {
  it('is nothing but what is named, none of it made here or private', () => {
    expect(rules[0]).toBe('*');
    for (const path of ['node_modules', 'dist', '.git', '.semaphore-server', 'test', 'docs'])
      expect(sent.filter((each) => each === path || each.startsWith(`${path}/`))).toEqual([]);
  });

  it('is enough to build the program', async () => {
    const context = tempDir();
    for (const path of sent) cpSync(join(root, path), join(context, path), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(context, 'node_modules'));
    await execa(process.execPath, ['scripts/build.mjs'], { cwd: context });
    const { stdout } = await execa(process.execPath, ['bin/semaphore', 'runner', 'start', '--help'], { cwd: context });
    expect(stdout).toContain('--register');
  });

  it('has everything that the image is made of', () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from|\. )(.+) \S+$/gm)].flatMap(([, names = '']) =>
      names.split(' '),
    );
    const [, kept = ''] = /cp -R (.+) \/program;/.exec(dockerfile) ?? [];
    const needed = [...copied, ...kept.split(' ')].filter((path) => !['dist', 'node_modules'].includes(path));
    expect(needed.length).toBeGreaterThan(8);
    for (const path of needed) {
      expect(existsSync(join(root, path)), path).toBe(true);
      expect(
        sent.some((each) => path === each || path.startsWith(`${each}/`)),
        path,
      ).toBe(true);
    }
  });
});
