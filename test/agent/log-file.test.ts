import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileLog, openJobLog, openStateDirectory, stateDirectoryPath } from '../../src/agent/log/index.ts';
import { systemClock, UserError } from '../../src/lib/index.ts';
import { readJobRequest } from '../../src/protocol/ci/index.ts';
import { memoryLogger } from '../ci-hub/index.ts';
import { canMount, SmallDisk } from '../support/small-disk.ts';
import { tempDir } from '../support/temp-dir.ts';
import { finishedLine, outputLine, sealToken } from './log-support.ts';

function options(logger: Record<string, unknown>, said: string[] = []) {
  return {
    request: readJobRequest({ job_id: 'job/1', logger }),
    state: tempDir('agent-state-'),
    sealToken,
    upload: 'never' as const,
    env: {},
    clock: systemClock,
    logger: memoryLogger(said),
  };
}

async function openFile(logger: Record<string, unknown> = {}, said: string[] = []) {
  const opened = options(logger, said);
  const log = await openJobLog(opened);
  if (!(log instanceof FileLog)) throw new Error('not a file');
  return { log, state: opened.state, directory: () => readdirSync(join(opened.state, 'logs')) };
}

function textOf(pieces: Iterable<Buffer>): string {
  return Buffer.concat([...pieces]).toString('utf8');
}

describe('a job log that is fetched', () => {
  it('is the kind for the method "pull", and for none', async () => {
    await expect(openJobLog(options({ method: 'pull' }))).resolves.toBeInstanceOf(FileLog);
    await expect(openJobLog(options({}))).resolves.toBeInstanceOf(FileLog);
    await expect(openJobLog(options({ method: 'carry' }))).rejects.toThrow(new UserError('unknown logger type: carry'));
  });

  it('keeps events in private files of its own, and tells each to the log of the agent at debug level', async () => {
    const said: string[] = [];
    const { log, state, directory } = await openFile({}, said);
    const { directory: other } = await openFile({});
    log.write(finishedLine);
    const [name = ''] = directory();
    expect(name).toMatch(/^job_1\.[0-9a-f]{8}$/);
    expect(other()).not.toEqual([name]);
    expect(statSync(join(state, 'logs', name)).mode & 0o777).toBe(0o700);
    for (const file of readdirSync(join(state, 'logs', name))) {
      expect(statSync(join(state, 'logs', name, file)).mode & 0o777, file).toBe(0o600);
    }
    expect(said).toEqual([`Job log ${JSON.stringify({ event: finishedLine })}`]);
    await log.close({});
  });

  it('is read from any line on while it is written; beyond its end it is empty', async () => {
    const { log } = await openFile();
    const lines = ['one', 'two', 'three'].map(outputLine);
    for (const line of lines) log.write(line);
    expect(textOf(log.read())).toBe(`${lines.join('\n')}\n`);
    expect(textOf(log.read(2))).toBe(`${lines[2]}\n`);
    expect(textOf(log.read(3))).toBe('');
    expect(textOf(log.read(4000))).toBe('');
    expect(log.lines).toBe(3);
    await log.close({});
  });

  it('is still there while onClosed runs, and is removed afterwards', async () => {
    const { log, state, directory } = await openFile();
    log.write(finishedLine);
    let during = '';
    await log.close({
      onClosed: async () => {
        during = readFileSync(join(state, 'logs', directory()[0] ?? '', 'events.jsonl'), 'utf8');
      },
    });
    expect(during).toBe(`${finishedLine}\n`);
    expect(directory()).toEqual([]);
    expect(() => textOf(log.read())).toThrow('no such file or directory');
  });

  it('is removed also when onClosed fails', async () => {
    const said: string[] = [];
    const { log, directory } = await openFile({}, said);
    await log.close({ onClosed: () => Promise.reject(new Error('no callback')) });
    expect(directory()).toEqual([]);
    expect(said).toEqual(['What follows the end of the job log has failed {"error":"no callback"}']);
  });

  it.each([
    { what: 'below the limit', bytes: 999, limit: 1000, trimmed: false },
    { what: 'at the limit', bytes: 1000, limit: 1000, trimmed: true },
    { what: 'below the usual limit', bytes: 16 * 1024 * 1024 - 1, limit: 0, trimmed: false },
    { what: 'at the usual limit', bytes: 16 * 1024 * 1024, limit: 0, trimmed: true },
    { what: 'with a limit that is none', bytes: 2000, limit: -1, trimmed: false },
  ])('counts as trimmed by its size, and keeps every line: $what', async ({ bytes, limit, trimmed }) => {
    const { log } = await openFile({ max_size_in_bytes: limit });
    const line = outputLine('').length + 1;
    log.write(outputLine('x'.repeat(bytes - line)));
    expect(textOf(log.read())).toHaveLength(bytes);
    const told: boolean[] = [];
    await log.close({ onClosed: async (value) => void told.push(value) });
    expect(told).toEqual([trimmed]);
  });

  it('cannot be opened where nothing can be written, which is an error and no silence', async () => {
    const state = join(tempDir(), 'file');
    writeFileSync(state, '');
    await expect(openJobLog({ ...options({}), state })).rejects.toThrow(
      /^the log of the job cannot be opened: ENOTDIR/,
    );
  });

  it.runIf(canMount())('cannot be opened on a disk that is full, and leaves nothing there', async () => {
    const disk = SmallDisk.mount(1);
    disk.fill();
    const error: unknown = await openJobLog({ ...options({}), state: disk.path }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'UserError', hint: expect.stringContaining('Free space') });
    disk.free();
    expect(readdirSync(disk.path).filter((name) => name !== 'logs')).toEqual([]);
  });
});

describe('the state directory of agents', () => {
  it('is the one that is named, that of the unit, or one of the user', () => {
    expect(stateDirectoryPath({ SEMAPHORE_AGENT_STATE_DIR: '/a', STATE_DIRECTORY: '/b' })).toBe('/a');
    expect(stateDirectoryPath({ STATE_DIRECTORY: '/var/lib/one:/var/lib/two' })).toBe('/var/lib/one');
    expect(stateDirectoryPath({})).toBe(join(tmpdir(), `semaphore-agent-${process.getuid?.()}`));
  });

  it('is private, also when it was there and was not', async () => {
    const path = join(tempDir(), 'a', 'state');
    await openStateDirectory(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    const open = join(tempDir(), 'open');
    mkdirSync(open, { mode: 0o755 });
    await openStateDirectory(open);
    expect(statSync(open).mode & 0o777).toBe(0o700);
  });

  it.runIf(process.getuid?.() === 0)('is not one that another user has made or put there', async () => {
    const { chownSync, lchownSync } = await import('node:fs');
    const path = join(tempDir(), 'state');
    mkdirSync(path);
    chownSync(path, 65534, 65534);
    await expect(openStateDirectory(path)).rejects.toThrow('belongs to another user');
    const link = join(tempDir(), 'link');
    symlinkSync(tempDir(), link);
    lchownSync(link, 65534, 65534);
    await expect(openStateDirectory(link)).rejects.toThrow('belongs to another user');
    expect(existsSync(link)).toBe(true);
  });

  it('is refused with a hint when it cannot be made', async () => {
    const file = join(tempDir(), 'file');
    writeFileSync(file, '');
    await expect(openStateDirectory(join(file, 'state'))).rejects.toMatchObject({
      name: 'UserError',
      hint: 'Name another state directory in SEMAPHORE_AGENT_STATE_DIR.',
    });
  });
});
