import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { git, TestRepository } from '../support/git-repository.ts';
import { tempDir } from '../support/temp-dir.ts';
import { testTaskHost } from '../support/task-host.ts';
import { checkouts } from './support.ts';

function read(...path: string[]): string {
  return readFileSync(join(...path), 'utf8');
}

describe('checkout of a branch', () => {
  it('clones, then updates, and reports the commit each time', async () => {
    const repository = new TestRepository();
    const first = repository.commit({ 'site.yml': 'one\n' }, 'First commit\n\nwith more to say');
    const room = checkouts(repository.url);
    const cloned = await room.run();
    expect(cloned.result).toEqual({ kind: 'done', commit: { hash: first, message: 'First commit' } });
    expect(cloned.lines).toEqual([
      `Cloning Repository ${repository.url}`,
      'Get current commit hash',
      'Get current commit message',
    ]);
    expect(read(room.tree, 'site.yml')).toBe('one\n');

    const second = repository.commit({ 'site.yml': 'two\n' }, 'Second commit');
    const updated = await room.run();
    expect(updated.result).toEqual({ kind: 'done', commit: { hash: second, message: 'Second commit' } });
    expect(updated.lines[0]).toBe(`Updating Repository ${repository.url}`);
    expect(read(room.tree, 'site.yml')).toBe('two\n');
  });

  it('needs two processes when nothing has changed, and knows the commit all the same', async () => {
    const repository = new TestRepository();
    repository.commit({ a: '1' });
    const room = checkouts(repository.url);
    const first = await room.run();
    const { result, task } = await room.run();
    expect(task.steps.map(({ key }) => key)).toEqual(['clone-fetch', 'clone-checkout']);
    expect(result).toEqual(first.result);
    expect(result).toMatchObject({ kind: 'done', commit: { hash: expect.stringMatching(/^[0-9a-f]{40}$/) } });
  });

  it('is a repository like any clone: on its branch, with origin, other branches and tags', async () => {
    const repository = new TestRepository();
    repository.commit({ a: '1' }, 'one');
    repository.git('tag', 'v1');
    repository.git('branch', 'other');
    const last = repository.commit({ a: '2' }, 'two');
    const room = checkouts(repository.url);
    await room.run();
    expect(git(room.tree, 'status', '--short', '--branch')).toBe('## main...origin/main');
    expect(git(room.tree, 'remote', '-v')).toContain(repository.url);
    expect(git(room.tree, 'describe', '--tags')).toMatch(/^v1-1-g/);
    expect(git(room.tree, 'log', '--format=%s', 'origin/other..HEAD')).toBe('two');
    expect(git(room.tree, 'rev-parse', 'HEAD')).toBe(last);
  });

  it('puts changed and deleted files back and keeps untracked ones', async () => {
    const repository = new TestRepository();
    repository.commit({ kept: 'as committed\n', gone: 'back again\n', '.gitignore': 'ignored\n' });
    const room = checkouts(repository.url);
    await room.run();
    writeFileSync(join(room.tree, 'kept'), 'changed by a task\n');
    rmSync(join(room.tree, 'gone'));
    writeFileSync(join(room.tree, 'terraform.tfstate'), 'precious');
    writeFileSync(join(room.tree, 'ignored'), 'precious, too');
    await room.run();
    expect(read(room.tree, 'kept')).toBe('as committed\n');
    expect(read(room.tree, 'gone')).toBe('back again\n');
    expect(read(room.tree, 'terraform.tfstate')).toBe('precious');
    expect(read(room.tree, 'ignored')).toBe('precious, too');
  });

  it('follows a branch that was rewritten', async () => {
    const repository = new TestRepository();
    repository.commit({ a: '1' }, 'one');
    repository.commit({ a: '2', b: '2' }, 'two');
    const room = checkouts(repository.url);
    await room.run();
    repository.git('reset', '-q', '--hard', 'HEAD~1');
    const rewritten = repository.commit({ a: '3' }, 'three');
    expect((await room.run()).result).toMatchObject({ kind: 'done', commit: { hash: rewritten } });
    expect(existsSync(join(room.tree, 'b'))).toBe(false);
  });

  it('names a branch that has vanished', async () => {
    const repository = new TestRepository();
    repository.commit({ a: '1' });
    repository.git('branch', 'feature/x');
    repository.push();
    const room = checkouts(repository.url);
    const revision = { kind: 'branch', name: 'feature/x' } as const;
    expect((await room.run({ revision })).result.kind).toBe('done');
    repository.git('branch', '-q', '-D', 'feature/x');
    repository.push();
    const { result } = await room.run({ revision });
    expect(result).toEqual({
      kind: 'failed',
      reason: expect.stringContaining(`there is no branch or tag feature/x in ${repository.url}`),
    });
  });

  it('takes a directory name that used to be a branch name', async () => {
    const repository = new TestRepository();
    repository.commit({ a: '1' });
    repository.git('branch', 'release');
    repository.push();
    const room = checkouts(repository.url);
    await room.run({ revision: { kind: 'branch', name: 'release' } });
    repository.git('branch', '-m', 'release', 'release/1.0');
    repository.push();
    const { result } = await room.run({
      revision: { kind: 'branch', name: 'release/1.0' },
      directory: join(room.project, 'tree2'),
    });
    expect(result.kind).toBe('done');
  });

  it('checks a tag out when there is no branch of that name', async () => {
    const repository = new TestRepository();
    const tagged = repository.commit({ a: '1' }, 'tagged');
    repository.git('tag', '-a', 'v1', '-m', 'an annotated tag');
    repository.commit({ a: '2' });
    const { result } = await checkouts(repository.url).run({ revision: { kind: 'branch', name: 'v1' } });
    expect(result).toEqual({ kind: 'done', commit: { hash: tagged, message: 'tagged' } });
  });

  it('cuts a long message to 100 characters and keeps what is no ASCII', async () => {
    const repository = new TestRepository();
    repository.commit({ a: '1' }, `Übung ${'😀'.repeat(120)}`);
    const { result } = await checkouts(repository.url).run();
    expect(result).toMatchObject({ commit: { message: `Übung ${'😀'.repeat(94)}` } });
  });

  it('shares one mirror between templates: the second one fetches nothing but news', async () => {
    const repository = new TestRepository();
    repository.commit({ a: '1' });
    const room = checkouts(repository.url);
    await room.run();
    const { lines, task } = await room.run({ directory: join(room.project, 'tree2') });
    expect(lines[0]).toMatch(/^Updating/);
    expect(task.steps.map(({ key }) => key)).toContain('clone-init-tree');
    expect(readdirSync(join(room.project, 'tree2', '.git', 'objects')).filter((name) => name.length === 2)).toEqual([]);
  });
});

describe('checkout of a commit', () => {
  it('is of exactly that commit, whole or shortened, and asks nobody when it is there', async () => {
    const repository = new TestRepository();
    const first = repository.commit({ a: '1' }, 'one');
    repository.commit({ a: '2' }, 'two');
    const room = checkouts(repository.url);
    await room.run();
    for (const name of [first, first.slice(0, 10)]) {
      const { result, lines } = await room.run({ revision: { kind: 'commit', name } });
      expect(result).toEqual({ kind: 'done', commit: { hash: first, message: 'one' } });
      expect(lines).toEqual([`Checkout repository to ${name}`]);
      expect(read(room.tree, 'a')).toBe('1');
    }
    expect((await room.run()).result).toMatchObject({ commit: { message: 'two' } });
    expect(git(room.tree, 'status', '--short', '--branch')).toBe('## main...origin/main');
  });

  it('finds a commit that no branch leads to any more', async () => {
    const repository = new TestRepository();
    repository.commit({ a: '1' }, 'one');
    const lost = repository.commit({ a: '2' }, 'two');
    repository.git('reset', '-q', '--hard', 'HEAD~1');
    repository.push();
    const { result } = await checkouts(repository.url).run({ revision: { kind: 'commit', name: lost } });
    expect(result).toMatchObject({ kind: 'done', commit: { hash: lost } });
  });

  it('takes the name of a tag or a branch, too', async () => {
    const repository = new TestRepository();
    const first = repository.commit({ a: '1' }, 'one');
    repository.git('tag', 'v1');
    repository.commit({ a: '2' }, 'two');
    const room = checkouts(repository.url);
    const { result } = await room.run({ revision: { kind: 'commit', name: 'v1' } });
    expect(result).toMatchObject({ kind: 'done', commit: { hash: first } });
  });

  it('names a commit that is nowhere', async () => {
    const repository = new TestRepository();
    repository.commit({ a: '1' });
    const name = 'deadbeef'.repeat(5);
    const { result } = await checkouts(repository.url).run({ revision: { kind: 'commit', name } });
    expect(result).toEqual({ kind: 'failed', reason: expect.stringContaining(`no commit, branch or tag ${name}`) });
  });
});

describe('submodules', () => {
  it('are checked out recursively, and follow the repository', async () => {
    const directory = tempDir();
    const [inner, middle, outer] = ['inner', 'middle', 'outer'].map(
      (name) => new TestRepository(join(directory, name)),
    ) as [TestRepository, TestRepository, TestRepository];
    inner.commit({ leaf: '1' });
    middle.git('submodule', '--quiet', 'add', inner.url, 'inner');
    middle.commit({});
    outer.git('submodule', '--quiet', 'add', '../../middle/origin.git', 'middle');
    outer.commit({});
    const room = checkouts(outer.url);
    expect((await room.run()).result.kind).toBe('done');
    expect(read(room.tree, 'middle', 'inner', 'leaf')).toBe('1');

    inner.commit({ leaf: '2' });
    git(join(middle.work, 'inner'), 'pull', '-q', 'origin', 'main');
    middle.commit({});
    git(join(outer.work, 'middle'), 'pull', '-q', 'origin', 'main');
    outer.commit({});
    expect((await room.run()).result.kind).toBe('done');
    expect(read(room.tree, 'middle', 'inner', 'leaf')).toBe('2');
  });
});

describe('what is refused', () => {
  it.each([
    ['an option', '--upload-pack=touch /tmp/pwned'],
    ['a short option', '-x'],
    ['no name', ''],
    ['a range', 'main..other'],
    ['a path upwards', '../../x'],
    ['a line break', 'main\nx'],
  ])('%s as branch', async (_what, name) => {
    const repository = new TestRepository();
    repository.commit({ a: '1' });
    const { result, task } = await checkouts(repository.url).run({ revision: { kind: 'branch', name } });
    expect(result.kind).toBe('failed');
    expect(task.steps).toEqual([]);
  });

  it.each([
    ['a helper that runs commands', 'ext::sh -c touch% /tmp/semaphore-pwned', /not allowed/],
    ['a helper with a scheme', 'ext://x', /not allowed|git failed/],
    ['an option as URL', '--upload-pack=touch /tmp/semaphore-pwned', /not allowed|git failed|does not exist/],
    ['a host that is an option', 'ssh://-oProxyCommand=touch%20x/y', /git failed|strange hostname/],
    ['a relative path', 'some/where', /not allowed|git failed|does not exist/],
  ])('%s', async (_what, url, reason) => {
    const { result } = await checkouts(url).run();
    expect(result).toEqual({ kind: 'failed', reason: expect.stringMatching(reason) });
    expect(existsSync('/tmp/semaphore-pwned')).toBe(false);
  });

  it('a submodule on this machine in a repository that is not', async () => {
    // The environment is what decides; that it does is seen in the steps of a repository on the network.
    const { task } = await checkouts('https://127.0.0.1:1/x.git').run();
    expect(task.steps.find(({ key }) => key === 'clone-fetch')?.env['GIT_ALLOW_PROTOCOL']).toBe('http:https:ssh:git');
  });
});

describe('hooks and settings that a task leaves in its checkout', () => {
  it('do not run at the next checkout', async () => {
    const repository = new TestRepository();
    repository.commit({ a: '1' });
    const room = checkouts(repository.url);
    await room.run();
    const trace = join(room.project, 'trace');
    mkdirSync(join(room.tree, '.git', 'hooks'), { recursive: true });
    writeFileSync(join(room.tree, '.git', 'hooks', 'post-checkout'), `#!/bin/sh\ntouch ${trace}\n`, { mode: 0o755 });
    git(room.tree, 'config', 'core.fsmonitor', `touch ${trace}`);
    repository.commit({ a: '2' });
    expect((await room.run()).result.kind).toBe('done');
    expect(existsSync(trace)).toBe(false);
  });
});

describe('cancelling', () => {
  it('ends a fetch that hangs, and a wait for the mirror', async () => {
    const server = createServer(() => {
      // Never answers.
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const room = checkouts(`http://127.0.0.1:${(server.address() as AddressInfo).port}/x.git`);
    const first = await testTaskHost();
    const hanging = room.run({ host: first });
    await once(server, 'request');
    const second = await testTaskHost();
    const waiting = room.run({ host: second, directory: join(room.project, 'tree2') });
    setTimeout(() => second.stop(), 100);
    expect((await waiting).result).toEqual({ kind: 'stopped' });
    expect(second.steps).toEqual([]);
    first.stop();
    expect((await hanging).result).toEqual({ kind: 'stopped' });
  });
});
