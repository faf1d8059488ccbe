import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { makeTemporaryDirectory, removeTree } from '../../src/lib/index.ts';

const name = `semaphore-test-leftovers-${process.pid}`;

it('is private, and takes away what a killed process has left, but nothing of one that lives', async () => {
  const root = tmpdir();
  onTestFinished(async () => {
    for (const entry of readdirSync(root)) if (entry.startsWith(name)) await removeTree(join(root, entry), root);
  });
  const { pid } = spawnSync('true');
  const dead = join(root, `${name}-${pid}-1-abcdef`);
  const other = join(root, `${name}-else`);
  mkdirSync(join(dead, 'inside'), { recursive: true });
  mkdirSync(other);
  const first = makeTemporaryDirectory(name);
  const second = makeTemporaryDirectory(name);
  expect(dirname(first)).toBe(root);
  expect(statSync(first).mode & 0o777).toBe(0o700);
  await expect.poll(() => existsSync(dead), { timeout: 20_000 }).toBe(false);
  expect([first, second, other].map((path) => existsSync(path))).toEqual([true, true, true]);
});
