import { closeSync, constants, ftruncateSync, openSync, writeSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { InternalError, UserError, codeOf, writeFileAtomic } from '../../lib/index.ts';

/**
 * State as lines of JSON. Every change is one line appended to the newest `journal-<n>.jsonl` with a single `write`, so it
 * survives a killed process before anybody is answered. When the journal has grown, what is in memory becomes the snapshot
 * (`state.jsonl`, replaced atomically) and the journals before it go.
 *
 * Lines are whole records, not differences: reading a journal twice, or after a snapshot that holds it already, gives the
 * same state. So a crash at any moment of a compaction is harmless: snapshot, then all journals in order, is always right.
 */
export interface JournalOptions {
  dir: string;
  /** Called for every record on opening, oldest first. Throws when the record cannot be understood. */
  replay: (record: unknown) => void;
  /** Everything that a new snapshot must hold. */
  snapshot: () => Iterable<object>;
  /** Told when a compaction failed; the journal goes on and tries again later. */
  onCompactionError: (error: unknown) => void;
  /** @default 8 MiB */
  compactAfterBytes?: number;
}

const SNAPSHOT = 'state.jsonl';
const JOURNAL = /^journal-(\d+)\.jsonl$/;

export class Journal {
  readonly #options: Required<JournalOptions>;
  #fd: number;
  #number: number;
  #bytes = 0;
  #compaction: Promise<void> | undefined;

  private constructor(options: Required<JournalOptions>, number: number) {
    this.#options = options;
    this.#number = number;
    this.#fd = openJournal(options.dir, number);
  }

  /** Reads what is there and starts a new journal. Throws UserError when a file is damaged or may not be read. */
  static async open(options: JournalOptions): Promise<Journal> {
    const { dir } = options;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const numbers = await journalNumbers(dir);
    await replayFile(join(dir, SNAPSHOT), options.replay, { mayBeTorn: false });
    for (const number of numbers) await replayFile(journalPath(dir, number), options.replay, { mayBeTorn: true });
    // A new file each time: a line that a crash cut off stays the last one of its file.
    const journal = new Journal({ compactAfterBytes: 8 * 1024 * 1024, ...options }, (numbers.at(-1) ?? 0) + 1);
    if (numbers.length > 0) await journal.compact();
    return journal;
  }

  /** Appends one record; it is in the file when this returns. Throws the system's error (disk full, …). */
  append(record: object): void {
    const line = Buffer.from(`${JSON.stringify(record)}\n`);
    try {
      writeFully(this.#fd, line);
    } catch (error: unknown) {
      // Half a line in the middle of a journal could not be read again.
      ftruncateSync(this.#fd, this.#bytes);
      throw error;
    }
    this.#bytes += line.length;
    if (this.#bytes > this.#options.compactAfterBytes) void this.compact();
  }

  /** Writes a snapshot and drops the journals it makes superfluous. Never rejects. */
  compact(): Promise<void> {
    this.#compaction ??= this.#compact()
      .catch((error: unknown) => this.#options.onCompactionError(error))
      .finally(() => {
        this.#compaction = undefined;
      });
    return this.#compaction;
  }

  async close(): Promise<void> {
    await this.#compaction;
    closeSync(this.#fd);
  }

  async #compact(): Promise<void> {
    const { dir, snapshot } = this.#options;
    // From here on changes go to a new journal; what they change is in memory, and so in the snapshot, or follows it.
    const before = this.#number;
    const next = openJournal(dir, before + 1);
    closeSync(this.#fd);
    this.#fd = next;
    this.#number = before + 1;
    this.#bytes = 0;
    let content = '';
    for (const record of snapshot()) content += `${JSON.stringify(record)}\n`;
    await writeFileAtomic(join(dir, SNAPSHOT), content);
    for (const number of await journalNumbers(dir)) {
      if (number <= before) await rm(journalPath(dir, number), { force: true });
    }
  }
}

function openJournal(dir: string, number: number): number {
  const { O_APPEND, O_CREAT, O_WRONLY } = constants;
  return openSync(journalPath(dir, number), O_WRONLY | O_APPEND | O_CREAT, 0o600);
}

function journalPath(dir: string, number: number): string {
  return join(dir, `journal-${number}.jsonl`);
}

async function journalNumbers(dir: string): Promise<number[]> {
  const names = await readdir(dir);
  return names
    .flatMap((name) => JOURNAL.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

function writeFully(fd: number, data: Buffer): void {
  let written = 0;
  while (written < data.length) {
    const count = writeSync(fd, data, written);
    if (count === 0) throw new InternalError('the state journal takes no more bytes');
    written += count;
  }
}

async function replayFile(
  path: string,
  replay: (record: unknown) => void,
  options: { mayBeTorn: boolean },
): Promise<void> {
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  const lines = content.split('\n');
  const torn = lines.pop();
  if (torn !== '' && !options.mayBeTorn) lines.push(torn ?? '');
  for (const [index, line] of lines.entries()) {
    try {
      replay(JSON.parse(line));
    } catch (error: unknown) {
      throw new UserError(`the state file ${path} is damaged in line ${index + 1}`, {
        hint: 'Restore the data directory from a backup, or move it away to start with an empty history.',
        cause: error,
      });
    }
  }
}
