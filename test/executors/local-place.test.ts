import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createLocalPlace } from '../../src/executors/index.ts';
import { localFiles } from '../../src/executors/local-place/files.ts';
import { Workspace } from '../../src/workspace/index.ts';
import { tempDir } from '../support/temp-dir.ts';
import { testTaskHost } from '../support/task-host.ts';
import { configuration, delivered } from '../tasks/support.ts';

const isRoot = process.getuid?.() === 0;
const files = localFiles(undefined);

/** A directory with one of everything. */
function everything(): (name: string) => string {
  const directory = tempDir();
  const path = (name: string): string => join(directory, name);
  writeFileSync(path('file'), 'content');
  mkdirSync(path('directory'));
  execFileSync('mkfifo', [path('pipe')]);
  symlinkSync('file', path('link'));
  symlinkSync('nowhere', path('dangling'));
  return path;
}

describe('the kind of what is there', () => {
  it.each([
    ['file', 'file', 'file'],
    ['directory', 'directory', 'directory'],
    ['pipe', 'other', 'other'],
    ['link', 'file', 'link'],
    ['dangling', undefined, 'link'],
    ['missing', undefined, undefined],
    ['file/below', undefined, undefined],
  ])('%s is %s; with links told: %s', async (name, followed, told) => {
    const path = everything();
    expect(await files.kindOf(path(name))).toBe(followed);
    expect(await files.kindOf(path(name), 'tell')).toBe(told);
  });
});

describe('a file that is read', () => {
  it('is read whole, or up to a limit; a link is followed', async () => {
    const path = everything();
    expect(String(await files.read(path('file')))).toBe('content');
    expect(String(await files.read(path('link'), 4))).toBe('cont');
    expect(String(await files.read(path('file'), 100))).toBe('content');
  });

  it('may be missing', async () => {
    const path = everything();
    expect(await files.read(path('missing'))).toBeUndefined();
    expect(await files.read(path('dangling'))).toBeUndefined();
    expect(await files.read(path('file/below'))).toBeUndefined();
  });

  it('is no directory, and no pipe to wait for', async () => {
    const path = everything();
    await expect(files.read(path('directory'))).rejects.toMatchObject({ code: 'EISDIR' });
    expect(await files.read(path('pipe'), 10)).toHaveLength(0);
  });
});

describe("a file of the task's own that is read", () => {
  it.each([
    ['link', 'ELOOP'],
    ['dangling', 'ELOOP'],
    ['directory', 'EINVAL'],
    ['pipe', 'EINVAL'],
  ])('is no %s', async (name, code) => {
    await expect(files.readOwn(everything()(name))).rejects.toMatchObject({ code });
  });

  it('is read whole, or up to a limit, and may be missing', async () => {
    const path = everything();
    expect(String(await files.readOwn(path('file')))).toBe('content');
    expect(String(await files.readOwn(path('file'), 3))).toBe('con');
    expect(await files.readOwn(path('missing'))).toBeUndefined();
  });

  it.runIf(isRoot)("belongs to the task's user", async () => {
    const path = everything();
    const ofNobody = localFiles({ uid: 65534, gid: 65534 });
    await expect(ofNobody.readOwn(path('file'))).rejects.toMatchObject({ code: 'EPERM' });
    chownSync(path('file'), 65534, 65534);
    expect(String(await ofNobody.readOwn(path('file')))).toBe('content');
  });
});

describe('a file that is written', () => {
  it('has the mode when it is new, and keeps its own when it is there', async () => {
    const path = everything();
    await files.write(path('new'), 'secret', 0o600);
    expect([readFileSync(path('new'), 'utf8'), statSync(path('new')).mode & 0o777]).toEqual(['secret', 0o600]);
    chmodSync(path('file'), 0o640);
    await files.write(path('file'), Buffer.from('new'), 0o600);
    expect([readFileSync(path('file'), 'utf8'), statSync(path('file')).mode & 0o777]).toEqual(['new', 0o640]);
  });

  it('is no link, and no pipe to wait for', async () => {
    const path = everything();
    await expect(files.write(path('link'), 'x', 0o600)).rejects.toMatchObject({ code: 'ELOOP' });
    await expect(files.write(path('dangling'), 'x', 0o600)).rejects.toMatchObject({ code: 'ELOOP' });
    await expect(files.write(path('pipe'), 'x', 0o600)).rejects.toMatchObject({ code: 'ENXIO' });
    expect([readFileSync(path('file'), 'utf8'), existsSync(path('nowhere'))]).toEqual(['content', false]);
  });
});

it('removes a file, or a link and not what it leads to, and does not mind when there is none', async () => {
  const path = everything();
  await files.remove(path('link'));
  await files.remove(path('missing'));
  expect([existsSync(path('link')), existsSync(path('file'))]).toEqual([false, true]);
});

it('lists names, none where there is no directory', async () => {
  const path = everything();
  expect((await files.list(path('.'))).toSorted()).toEqual(['dangling', 'directory', 'file', 'link', 'pipe']);
  expect(await files.list(path('missing'))).toEqual([]);
  expect(await files.list(path('file'))).toEqual([]);
});

it('tells where a link leads', async () => {
  const path = everything();
  expect(await files.realPath(path('link'))).toBe(await files.realPath(path('file')));
  await expect(files.realPath(path('dangling'))).rejects.toMatchObject({ code: 'ENOENT' });
});

it('finds executables, and tells when one is another', async () => {
  const bin = tempDir();
  const path = join(bin, 'tool');
  writeFileSync(path, '#!/bin/sh\n', { mode: 0o755 });
  const before = await files.which('tool', bin, '/');
  expect(before?.path).toBe(path);
  expect(await files.which('tool', bin, '/')).toEqual(before);
  execFileSync('touch', ['-d', '2020-01-01', path]);
  expect((await files.which('./tool', '', bin))?.version).not.toBe(before?.version);
  expect(await files.which('no-such-tool', bin, '/')).toBeUndefined();
});

describe('the place of a task on this machine', () => {
  async function place(root: string) {
    const { host } = await testTaskHost();
    const workspace = new Workspace({ root });
    const hostEnv = { PATH: process.env['PATH'] ?? '', HOME: root };
    return await createLocalPlace({ config: configuration(root), workspace, hostEnv })(delivered().job, host);
  }

  it('has private files, which go with it, and a home, which stays', async () => {
    const opened = await place(tempDir('sem-'));
    const file = await opened.writePrivate('a', 'text');
    expect([readFileSync(file, 'utf8'), statSync(file).mode & 0o777]).toEqual(['text', 0o600]);
    const { home } = await opened.takeHome(3, 33);
    await opened.close();
    expect([existsSync(opened.privateDirectory), existsSync(home)]).toEqual([false, true]);
    await opened.close();
  });

  it('keeps sockets below its private directory, or where their path is short enough', async () => {
    const near = await place(tempDir('sem-'));
    expect(await near.socketDirectory('cp', 100)).toBe(join(near.privateDirectory, 'cp'));
    const far = await place(join(tempDir('sem-'), 'a-long-name-'.repeat(8)));
    const short = await far.socketDirectory('cp', 60);
    expect(Buffer.byteLength(short)).toBeLessThanOrEqual(60);
    expect(statSync(short).mode & 0o777).toBe(0o700);
    writeFileSync(join(short, 'socket'), '');
    await Promise.all([near.close(), far.close()]);
    expect(existsSync(short)).toBe(false);
  });

  it('says what to do when it cannot be made', async () => {
    const root = join(tempDir(), 'root');
    writeFileSync(root, 'a file');
    await expect(place(root)).rejects.toMatchObject({
      message: expect.stringContaining('Creating tmp dir failed: ') as string,
      hint: expect.stringContaining('tmp_path') as string,
    });
  });
});
