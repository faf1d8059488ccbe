import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, type DirectoryLock, lockDirectory, removeTree, UserError, writeFileAtomic } from '../../lib/index.ts';
import { type DeliveryRecord, openRecord, sealRecord } from './delivery-record.ts';

const lockOptions = { who: 'agent', hint: 'The agent that has it delivers this log.' };
/** A directory without a record is one that is being made or removed, or was when its agent was killed. */
const unfinishedMs = 60 * 60_000;
const recordName = 'record.sealed';

/**
 * What is kept of one job's log until it is delivered; held by one process, with a lock that does not outlive it.
 *
 *     <state>/logs/<job id>.<random>/
 *       events.jsonl    the lines (spec CI 5.3), 0600
 *       acknowledged    lines and bytes that the server has
 *       record.sealed   where to, with which token; written last when the directory is made, removed first with it
 *       lock            whose it is
 *     <state>/undelivered/<job id>.<time>.jsonl    lines that nobody will take any more, for a few days
 */
export class LogDirectory {
  readonly path: string;
  readonly #state: string;
  readonly #lock: DirectoryLock;

  private constructor(state: string, path: string, lock: DirectoryLock) {
    this.#state = state;
    this.path = path;
    this.#lock = lock;
  }

  /** A new one. Throws the system error, or UserError. */
  static async create(state: string, jobId: string): Promise<LogDirectory> {
    const path = join(state, 'logs', `${nameOf(jobId)}.${randomBytes(4).toString('hex')}`);
    await mkdir(path, { recursive: true, mode: 0o700 });
    return new LogDirectory(state, path, await lockDirectory(path, lockOptions));
  }

  /** Those whose agents are gone, oldest first; each is the caller's from then on. */
  static async *leftovers(state: string): AsyncGenerator<LogDirectory> {
    const logs = join(state, 'logs');
    const found = await Promise.all(
      (await namesIn(logs)).map(async (name) => ({ path: join(logs, name), atMs: await timeOf(join(logs, name)) })),
    );
    for (const { path, atMs } of found.sort((one, other) => one.atMs - other.atMs)) {
      const isWhole = (await timeOf(join(path, recordName))) > 0;
      if (!isWhole && Date.now() - atMs < unfinishedMs) continue;
      const lock = await lockDirectory(path, lockOptions).catch(inUse);
      if (!lock) continue;
      const directory = new LogDirectory(state, path, lock);
      // Its agent may have removed it meanwhile.
      if ((await timeOf(join(path, recordName))) > 0) yield directory;
      else await directory.remove();
    }
  }

  get eventsFile(): string {
    return join(this.path, 'events.jsonl');
  }

  get acknowledgedFile(): string {
    return join(this.path, 'acknowledged');
  }

  /** For a copy of the log that is uploaded. */
  get textFile(): string {
    return join(this.path, 'job_logs.txt');
  }

  async writeRecord(record: DeliveryRecord, sealToken: string): Promise<void> {
    await writeFileAtomic(join(this.path, recordName), sealRecord(record, sealToken));
  }

  /** Undefined when it is not for an agent with this token. */
  async readRecord(sealToken: string): Promise<DeliveryRecord | undefined> {
    return openRecord(await readFile(join(this.path, recordName)), sealToken);
  }

  /** When the agent that made it wrote to it last, milliseconds since the epoch. */
  lastUsedMs(): Promise<number> {
    return timeOf(this.eventsFile);
  }

  /** Gives it free for the next agent. */
  async leave(): Promise<void> {
    await this.#lock.release();
  }

  async remove(): Promise<void> {
    await rm(join(this.path, recordName), { force: true });
    await removeTree(this.path, this.#state);
  }

  /** Moves the lines to those that are not delivered, and removes the rest. Returns the file. */
  async setAside(jobId: string): Promise<string> {
    const aside = join(this.#state, 'undelivered');
    await mkdir(aside, { recursive: true, mode: 0o700 });
    const at = new Date();
    const file = join(aside, `${nameOf(jobId)}.${at.toISOString().replaceAll(':', '-')}.jsonl`);
    await rename(this.eventsFile, file);
    // Its days count from now.
    await utimes(file, at, at);
    await this.remove();
    return file;
  }
}

/** Removes logs that were set aside longer ago than so many milliseconds. Returns their names. */
export async function removeOldAside(state: string, keepMs: number, nowMs: number): Promise<string[]> {
  const aside = join(state, 'undelivered');
  const removed: string[] = [];
  for (const name of await namesIn(aside)) {
    const atMs = await timeOf(join(aside, name));
    if (atMs === 0 || nowMs - atMs < keepMs) continue;
    await rm(join(aside, name), { force: true });
    removed.push(name);
  }
  return removed;
}

/** A job id is any text at all. */
function nameOf(jobId: string): string {
  const safe = jobId.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 80);
  return safe === '' ? 'job' : safe;
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Of the last change; 0 when there is no such file. */
async function timeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return 0;
    throw error;
  }
}

/** Another agent has it, or has just removed it. */
function inUse(error: unknown): undefined {
  if (error instanceof UserError) return undefined;
  throw error;
}
