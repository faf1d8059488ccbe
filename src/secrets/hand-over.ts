import { execFile } from 'node:child_process';
import { closeSync, constants, fstatSync, lstatSync, openSync, renameSync, writeSync } from 'node:fs';
import { lchown, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { codeOf, InternalError, systemClock, type Clock } from '../lib/index.ts';

/**
 * Secrets handed to a tool through a named pipe, so that they are in no argument, no environment and no file (architecture,
 * decision 2). The traps this file is about:
 *
 * - Opening a pipe for writing blocks until somebody reads. It is opened non-blocking instead, which fails with ENXIO while
 *   there is no reader, and tried again: quickly at first, rarely once the tool has had it.
 * - A reader wants end of file, so the writer closes as soon as it has written.
 * - A tool may read a file twice (Ansible does, with some options). Opened again at once, the same pipe would meet the
 *   reader of before, which would then read the secret twice in one go. So each pipe serves one reader: the next pipe is
 *   renamed over its name before the secret is written, and whoever opens the name from then on gets the fresh one.
 * - The runner may be killed. A tool that comes then waits at the pipe until the next runner serves it; so pipes that are there
 *   already are taken over as they are, and between finding a reader and writing nothing else is done.
 * - The tools' user may put something else in the place of a pipe: only pipes are written to.
 */

export interface HandOver {
  /** Absolute path of the pipe, in a directory that only the task's user can enter. */
  path: string;
  content: string;
}

export interface HandOverOptions {
  signal: AbortSignal;
  /** Owner of the pipes when tools run as another user; both or none. */
  uid?: number | undefined;
  gid?: number | undefined;
  clock?: Clock;
}

/** Ends a hand-over: nobody is served any more and the pipes are gone. */
export type CloseHandOver = () => Promise<void>;

/** Between two looks for a reader: at first, after the first was served, and while a full pipe is being read; ms. */
const pollMs = { eager: 4, patient: 50, full: 2 };
/** After this many looks without a reader it is not a tool about to start any more, and looking becomes rare. */
const eagerLooks = 2500;

const run = promisify(execFile);

/**
 * Makes the pipes, as far as an earlier process has not, and serves each to whoever reads it, as often as it is read, until
 * closed or `signal` is aborted. Resolves when all pipes are there. Throws when they cannot be made (InternalError when `mkfifo` is missing).
 */
export async function openHandOvers(handOvers: readonly HandOver[], options: HandOverOptions): Promise<CloseHandOver> {
  if (handOvers.length === 0) return async () => {};
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, options.signal]);
  const names = handOvers.flatMap(({ path }) => [path, next(path)]);
  const missing = names.filter((name) => lstatSync(name, { throwIfNoEntry: false })?.isFIFO() !== true);
  if (missing.length > 0) await makePipes(missing);
  await giveAway(names, options);
  const servers = handOvers.map((handOver) => serve(handOver, signal, options));
  return async () => {
    stop.abort();
    await Promise.all(servers);
    await Promise.all(names.map((name) => rm(name, { force: true })));
  };
}

function next(path: string): string {
  return `${path}.next`;
}

async function makePipes(names: readonly string[]): Promise<void> {
  try {
    await run('mkfifo', ['-m', '600', '--', ...names], { env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' } });
  } catch (error: unknown) {
    if (codeOf(error) !== 'ENOENT') throw error;
    throw new InternalError(
      'secrets are handed to tools through named pipes, and there is no mkfifo (coreutils) here',
      {
        cause: error,
      },
    );
  }
}

async function giveAway(names: readonly string[], { uid, gid }: HandOverOptions): Promise<void> {
  if (uid === undefined || gid === undefined) return;
  await Promise.all(names.map((name) => lchown(name, uid, gid)));
}

/** Never rejects: a tool is waiting, so what goes wrong here (no process slot, no descriptor left) is tried again until closed. */
async function serve(handOver: HandOver, signal: AbortSignal, options: HandOverOptions): Promise<void> {
  const clock = options.clock ?? systemClock;
  const content = Buffer.from(handOver.content, 'utf8');
  let spare = true;
  let served = false;
  for (let looks = 0; !signal.aborted; looks += 1) {
    try {
      if (!spare) {
        await makePipes([next(handOver.path)]);
        await giveAway([next(handOver.path)], options);
      }
      spare = true;
      const fd = openForReader(handOver.path);
      if (fd === undefined) {
        await clock.sleep(served || looks > eagerLooks ? pollMs.patient : pollMs.eager, signal);
        continue;
      }
      served = true;
      try {
        renameSync(next(handOver.path), handOver.path);
        spare = false;
        await writeAll(fd, content, clock, signal);
      } finally {
        closeSync(fd);
      }
    } catch (error: unknown) {
      // The directory was removed under us: nobody can come any more.
      if (codeOf(error) === 'ENOENT') return;
      if (!signal.aborted) await clock.sleep(pollMs.patient, signal).catch(() => {});
    }
  }
}

/** A descriptor when somebody has the pipe open for reading, else undefined. */
function openForReader(path: string): number | undefined {
  try {
    const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    if (fstatSync(fd).isFIFO()) return fd;
    closeSync(fd);
    return undefined;
  } catch (error: unknown) {
    if (codeOf(error) === 'ENXIO') return undefined;
    throw error;
  }
}

async function writeAll(fd: number, content: Buffer, clock: Clock, signal: AbortSignal): Promise<void> {
  let written = 0;
  while (written < content.length) {
    try {
      written += writeSync(fd, content, written);
    } catch (error: unknown) {
      // The reader went away without reading all of it: that is its business.
      if (codeOf(error) === 'EPIPE') return;
      if (codeOf(error) !== 'EAGAIN') throw error;
      await clock.sleep(pollMs.full, signal);
    }
  }
}
