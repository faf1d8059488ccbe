import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/lib/index.ts';
import { git, TestRepository } from '../support/git-repository.ts';
import { checkouts } from './support.ts';

/** A room with a checkout of one commit. */
async function ready() {
  const repository = new TestRepository();
  const hash = repository.commit({ 'a.txt': 'content\n', 'sub/b.txt': 'more\n' }, 'one');
  const room = checkouts(repository.url);
  expect((await room.run()).result.kind).toBe('done');
  return { repository, room, done: { kind: 'done', commit: { hash, message: 'one' } } as const };
}

function packs(mirror: string): string[] {
  const directory = join(mirror, 'objects');
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => /[0-9a-f]{38}$|\.(pack|idx)$/.test(path));
}

describe('damage is repaired once', () => {
  it('when objects of the mirror are empty, as after a power cut', async () => {
    const { room, done } = await ready();
    for (const path of packs(room.mirror)) {
      rmSync(path);
      writeFileSync(path, '');
    }
    rmSync(join(room.tree, 'a.txt'));
    const { result, lines } = await room.run();
    expect(result).toEqual(done);
    expect(lines.join('\n')).toContain('making it anew');
    expect(readFileSync(join(room.tree, 'a.txt'), 'utf8')).toBe('content\n');
  });

  it('when objects of the mirror are missing', async () => {
    const { room, done } = await ready();
    for (const path of packs(room.mirror)) rmSync(path);
    rmSync(join(room.tree, 'a.txt'));
    expect((await room.run()).result).toEqual(done);
    expect(existsSync(join(room.tree, 'a.txt'))).toBe(true);
  });

  it.each(['HEAD', 'config', 'packed-refs'])('when %s of the mirror is empty', async (name) => {
    const { repository, room } = await ready();
    writeFileSync(join(room.mirror, name), '');
    const hash = repository.commit({ 'a.txt': 'new\n' }, 'two');
    expect((await room.run()).result).toEqual({ kind: 'done', commit: { hash, message: 'two' } });
  });

  it('when the mirror is half made', async () => {
    const { room, done } = await ready();
    rmSync(join(room.mirror, 'HEAD'));
    expect((await room.run()).result).toEqual(done);
  });

  it('when the index of the working tree is cut', async () => {
    const { room, done } = await ready();
    truncateSync(join(room.tree, '.git', 'index'), 20);
    expect((await room.run()).result).toEqual(done);
    expect(git(room.tree, 'status', '--short')).toBe('');
  });

  it('when .git of the working tree is half gone, and keeps what tools left in the tree', async () => {
    const { room, done } = await ready();
    rmSync(join(room.tree, '.git', 'HEAD'));
    writeFileSync(join(room.tree, 'terraform.tfstate'), 'precious');
    expect((await room.run()).result).toEqual(done);
    expect(readFileSync(join(room.tree, 'terraform.tfstate'), 'utf8')).toBe('precious');
  });

  it('when a killed git left its locks, without losing anything', async () => {
    const { repository, room } = await ready();
    writeFileSync(join(room.tree, '.git', 'index.lock'), '');
    writeFileSync(join(room.tree, 'terraform.tfstate'), 'precious');
    const first = await room.run();
    expect(first.result.kind).toBe('done');
    expect(first.lines.join('\n')).toContain('Removing a lock that an interrupted git left (tree/.git/index.lock)');
    writeFileSync(join(room.mirror, 'refs', 'heads', 'main.lock'), '');
    repository.commit({ 'a.txt': 'new\n' }, 'two');
    expect((await room.run()).result).toMatchObject({ kind: 'done', commit: { message: 'two' } });
    expect(readFileSync(join(room.tree, 'terraform.tfstate'), 'utf8')).toBe('precious');
  });

  it('when a directory that is not empty is where a file must be', async () => {
    const { repository, room } = await ready();
    repository.git('rm', '-q', '-r', 'sub');
    repository.commit({}, 'two');
    writeFileSync(join(room.tree, 'sub', 'left-by-a-task'), '');
    await room.run();
    repository.commit({ sub: 'a file now\n' }, 'three');
    expect((await room.run()).result).toMatchObject({ kind: 'done', commit: { message: 'three' } });
    expect(readFileSync(join(room.tree, 'sub'), 'utf8')).toBe('a file now\n');
  });

  it('and no more: a repository that stays damaged fails the task', async () => {
    const { repository, room } = await ready();
    for (const path of packs(repository.bare)) {
      // Objects are read-only, which counts for everybody but root.
      chmodSync(path, 0o600);
      truncateSync(path, 0);
    }
    rmSync(room.mirror, { recursive: true });
    const { result, lines } = await room.run();
    expect(result.kind).toBe('failed');
    expect(lines.filter((line) => line.includes('making it anew')).length).toBeLessThanOrEqual(1);
  });
});

describe('another repository under the same id', () => {
  it('starts from nothing', async () => {
    const { room } = await ready();
    const other = new TestRepository();
    other.commit({ 'c.txt': 'other\n' }, 'other');
    writeFileSync(join(room.tree, 'left'), '');
    const { result } = await room.run({ url: other.url, mirror: join(room.project, 'mirror_1_1') });
    expect(result).toMatchObject({ kind: 'done', commit: { message: 'other' } });
    expect(readdirSync(room.tree).sort()).toEqual(['.git', 'c.txt']);
  });
});

describe('retries', () => {
  function clockOf(slept: number[]): Clock {
    return {
      now: () => 0,
      random: () => 0,
      sleep: (ms) => {
        slept.push(ms);
        return Promise.resolve();
      },
    };
  }

  it('wait a second, then twice as long each time, for what may pass', async () => {
    const slept: number[] = [];
    const room = checkouts('http://127.0.0.1:1/x.git');
    const { result, lines } = await room.run({ attempts: 4, clock: clockOf(slept) });
    expect(slept).toEqual([1000, 2000, 4000]);
    expect(lines.filter((line) => /^Git clone failed \(fatal: .+\), retrying in [124]s$/.test(line))).toHaveLength(3);
    expect(result).toEqual({
      kind: 'failed',
      reason: expect.stringMatching(/^http:\/\/127\.0\.0\.1:1\/x\.git cannot be reached \(fatal: .*\)\. Check/),
    });
  });

  it('never wait longer than a minute', async () => {
    const slept: number[] = [];
    await checkouts('http://127.0.0.1:1/x.git').run({ attempts: 9, clock: clockOf(slept) });
    expect(slept.slice(4)).toEqual([16_000, 32_000, 60_000, 60_000]);
  });

  it('are not made for what stays: a repository that does not exist', async () => {
    const slept: number[] = [];
    const room = checkouts('file:///no/such/repository.git');
    const { result } = await room.run({ attempts: 4, clock: clockOf(slept) });
    expect(slept).toEqual([]);
    expect(result).toEqual({
      kind: 'failed',
      reason: expect.stringContaining('file:///no/such/repository.git does not exist'),
    });
  });

  it('say that git is missing', async () => {
    const { result } = await checkouts('file:///x').run({ env: { PATH: '/nowhere' } });
    expect(result).toEqual({ kind: 'failed', reason: expect.stringContaining('Install git') });
  });
});
