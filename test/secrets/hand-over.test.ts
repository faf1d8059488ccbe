import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { onTestFinished, describe, expect, it } from 'vitest';
import { openHandOvers, type HandOver } from '../../src/secrets/index.ts';
import { tempDir } from '../support/temp-dir.ts';

const run = promisify(execFile);

async function cat(...paths: string[]): Promise<string> {
  const { stdout } = await run('cat', ['--', ...paths], { maxBuffer: 1 << 24, timeout: 10_000 });
  return stdout;
}

async function open(contents: Record<string, string>) {
  const directory = tempDir();
  const handOvers: HandOver[] = Object.entries(contents).map(([name, content]) => ({
    path: join(directory, name),
    content,
  }));
  const stop = new AbortController();
  const close = await openHandOvers(handOvers, { signal: stop.signal });
  onTestFinished(close);
  return { directory, paths: handOvers.map(({ path }) => path), close, stop };
}

describe('openHandOvers', () => {
  it('hands each secret to whoever reads its pipe, however late', async () => {
    const { paths } = await open({ one: 'first\n', two: 'zweites — ü\n' });
    await sleep(60);
    expect(await cat(paths[1] ?? '')).toBe('zweites — ü\n');
    expect(await cat(paths[0] ?? '')).toBe('first\n');
  });

  it('makes private pipes, never files', async () => {
    const { paths } = await open({ secret: 'x' });
    const status = statSync(paths[0] ?? '');
    expect(status.isFIFO()).toBe(true);
    expect(status.mode & 0o777).toBe(0o600);
  });

  it('gives a tool that reads twice the whole secret twice', async () => {
    const { paths } = await open({ secret: 'again and again\n' });
    const path = paths[0] ?? '';
    expect(await cat(path, path, path)).toBe('again and again\n'.repeat(3));
  });

  it('gives every reader exactly one copy, one after the other and without a pause', async () => {
    const { paths } = await open({ secret: 'abc' });
    const script = 'for i in 1 2 3 4 5 6 7 8 9 10; do x=$(cat "$1"); test "$x" = abc || echo "bad: [$x]"; done';
    expect((await run('sh', ['-c', script, 'sh', paths[0] ?? ''])).stdout).toBe('');
  });

  it('hands over more than a pipe holds', async () => {
    const content = randomBytes(300_000).toString('hex');
    const { paths } = await open({ large: content });
    expect(await cat(paths[0] ?? '')).toBe(content);
  });

  it('survives a reader that leaves early', async () => {
    const content = randomBytes(200_000).toString('hex');
    const { paths } = await open({ large: content });
    await run('head', ['-c', '5', paths[0] ?? '']);
    expect(await cat(paths[0] ?? '')).toBe(content);
  });

  it('leaves nothing behind and serves nobody once closed', async () => {
    const { directory, close } = await open({ one: 'x', two: 'y' });
    await close();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('ends with the task', async () => {
    const { directory, paths, stop, close } = await open({ one: 'x' });
    stop.abort();
    const reader = spawn('cat', [paths[0] ?? ''], { stdio: 'ignore' });
    onTestFinished(() => void reader.kill('SIGKILL'));
    await sleep(50);
    expect(reader.exitCode).toBe(null);
    await close();
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe('after the runner was killed', () => {
  /** Pipes that nobody serves any more, as a killed runner leaves them. */
  async function abandoned() {
    const room = await open({ secret: 'still\n' });
    room.stop.abort();
    return { path: room.paths[0] ?? '', directory: room.directory };
  }

  /** An inode's number is soon used again. */
  function identityOf(path: string): string {
    const { ino, birthtimeNs } = statSync(path, { bigint: true });
    return `${ino} ${birthtimeNs}`;
  }

  async function takeOver(path: string): Promise<void> {
    onTestFinished(await openHandOvers([{ path, content: 'still\n' }], { signal: new AbortController().signal }));
  }

  it('serves the tool that waits at the pipe, in every state in which the pipes can be', async () => {
    for (const missing of ['', '.next']) {
      const { path } = await abandoned();
      if (missing !== '') rmSync(`${path}${missing}`);
      const before = identityOf(path);
      const waiting = cat(path);
      await sleep(50);
      await takeOver(path);
      expect(await waiting).toBe('still\n');
      expect(await cat(path, path)).toBe('still\nstill\n');
      expect(identityOf(path)).not.toBe(before);
    }
  });

  it('makes what was not made yet', async () => {
    const { path } = await abandoned();
    rmSync(path);
    rmSync(`${path}.next`);
    await takeOver(path);
    expect(await cat(path)).toBe('still\n');
  });

  it.each(['a link to a file', 'a file'])(
    'writes nothing into %s that a tool has put in the place of a pipe',
    async (what) => {
      const { path, directory } = await abandoned();
      await takeOver(path);
      rmSync(path);
      const target = what === 'a file' ? path : join(directory, 'target');
      writeFileSync(target, 'precious');
      if (target !== path) symlinkSync(target, path);
      await sleep(100);
      expect(readFileSync(target, 'utf8')).toBe('precious');
    },
  );
});
