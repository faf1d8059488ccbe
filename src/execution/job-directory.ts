import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { codeOf, removeTree } from '../lib/index.ts';
import type { Seal } from './seal.ts';
import type { ProcessResult } from './types.ts';

/** One line of `steps.jsonl`: what happened to a job, in order. Enough to tell after a crash where it stood. */
export type JobEvent =
  | { type: 'created'; tag: string; at: number }
  | { type: 'step-started'; key: string; index: number; pid: number; startTime: string | undefined }
  | { type: 'step-ended'; key: string; index: number; result: ProcessResult }
  | { type: 'status'; status: string }
  | { type: 'commit'; hash: string; message: string }
  | { type: 'outputs'; document: string };

const newline = 10;

/**
 * The directory that is the truth about one job (architecture, decision 1). Writing is synchronous on purpose: every call
 * is a system call or two on local files, and the order of what is written must be the order of what happened.
 *
 *     job.sealed       the job, encrypted                   output.log   raw output, append only
 *     secrets.sealed   what to mask in the log, encrypted   acked        bytes of output.log the server has
 *     steps.jsonl      events, append only                  exit.<n>     exit code of step n
 */
export class JobDirectory {
  readonly path: string;
  /** Value of the environment tag that all processes of the job carry. */
  readonly tag: string;
  /** Descriptor of `output.log`, opened for appending and reading. */
  readonly logFd: number;
  readonly #root: string;
  readonly #ackedFd: number;
  readonly #stepsFd: number;
  #steps: number;
  #closed = false;

  private constructor(root: string, path: string, tag: string, steps: number) {
    this.#root = root;
    this.path = path;
    this.tag = tag;
    this.#steps = steps;
    this.logFd = openSync(this.logPath, 'a+', 0o600);
    this.#ackedFd = openSync(join(path, 'acked'), constants.O_RDWR | constants.O_CREAT, 0o600);
    this.#stepsFd = openSync(join(path, 'steps.jsonl'), 'a', 0o600);
  }

  /** Makes the directory of job `id` below `root` (both 0700). Throws the system error when that is not possible. */
  static async create(root: string, id: number, content: string, seal: Seal): Promise<JobDirectory> {
    const path = join(root, String(id));
    mkdirSync(root, { recursive: true, mode: 0o700 });
    // A leftover of the same id was finished or given up by recovery; its log must not mix with the new one.
    if (existsSync(path)) await removeTree(path, root);
    mkdirSync(path, { mode: 0o700 });
    writeFileSync(join(path, 'job.sealed'), seal.close(content), { mode: 0o600 });
    const tag = `${id}-${randomBytes(9).toString('base64url')}`;
    const directory = new JobDirectory(root, path, tag, 0);
    directory.record({ type: 'created', tag, at: Date.now() });
    return directory;
  }

  /** Opens what an earlier process left. Undefined when there is no usable record of it. */
  static open(root: string, id: number): JobDirectory | undefined {
    const path = join(root, String(id));
    const events = readEvents(path);
    const created = events.find((event) => event.type === 'created');
    if (!created) return undefined;
    return new JobDirectory(root, path, created.tag, events.filter((event) => event.type === 'step-started').length);
  }

  /** Ids of the job directories below `root`. */
  static list(root: string): number[] {
    try {
      return readdirSync(root)
        .filter((name) => /^\d+$/.test(name))
        .map(Number);
    } catch (error: unknown) {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    }
  }

  get logPath(): string {
    return join(this.path, 'output.log');
  }

  /** Bytes written to the log so far. */
  get logSize(): number {
    return fstatSync(this.logFd).size;
  }

  /** The job as it was given to `create`, or undefined when `seal` belongs to another token. */
  readJob(seal: Seal): string | undefined {
    return seal.open(readFileSync(join(this.path, 'job.sealed')));
  }

  /** Replaces the list of texts that must not leave this machine with the log. */
  writeSecrets(secrets: Iterable<string>, seal: Seal): void {
    writeFileSync(join(this.path, 'secrets.sealed'), seal.close(JSON.stringify([...secrets])), { mode: 0o600 });
  }

  /** The list, empty when none was written; undefined when it cannot be read, so that the log must not be sent. */
  readSecrets(seal: Seal): string[] | undefined {
    const path = join(this.path, 'secrets.sealed');
    if (!existsSync(path)) return [];
    const text = seal.open(readFileSync(path));
    const list: unknown = text === undefined ? undefined : JSON.parse(text);
    return Array.isArray(list) ? list.map(String) : undefined;
  }

  events(): JobEvent[] {
    return readEvents(this.path);
  }

  record(event: JobEvent): void {
    writeSync(this.#stepsFd, `${JSON.stringify(event)}\n`);
  }

  /** Number and exit file of the next step. */
  nextStep(): { index: number; exitFile: string } {
    this.#steps += 1;
    return { index: this.#steps, exitFile: join(this.path, `exit.${this.#steps}`) };
  }

  /** Appends a line of our own, on a line of its own even when the tool's last one has no end yet. */
  appendLine(text: string): void {
    const { size } = fstatSync(this.logFd);
    const last = Buffer.alloc(1, newline);
    if (size > 0) readSync(this.logFd, last, 0, 1, size - 1);
    writeSync(this.logFd, `${last[0] === newline ? '' : '\n'}${text}\n`);
  }

  /** Bytes of the log that the server has accepted; 0 before the first acknowledgement. */
  readAcked(): number {
    const text = readFileSync(join(this.path, 'acked'), 'latin1');
    return Number.parseInt(text, 10) || 0;
  }

  /** One small write in place: a reader sees the old number or the new one. */
  writeAcked(offset: number): void {
    writeSync(this.#ackedFd, `${String(offset).padStart(19, '0')}\n`, 0, 'latin1');
  }

  /** Closes the descriptors; the directory stays. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.logFd);
    closeSync(this.#ackedFd);
    closeSync(this.#stepsFd);
  }

  /** Closes and removes the directory. */
  async remove(): Promise<void> {
    this.close();
    await removeTree(this.path, this.#root);
  }
}

function readEvents(path: string): JobEvent[] {
  let text: string;
  try {
    text = readFileSync(join(path, 'steps.jsonl'), 'utf8');
  } catch {
    return [];
  }
  const lines = text.split('\n');
  // The last piece is empty, or a line that a crash cut short.
  lines.pop();
  return lines.flatMap((line) => {
    const event = parseEvent(line);
    return event ? [event] : [];
  });
}

/** Only this program writes the file; what a crash garbled is left out. */
function parseEvent(line: string): JobEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isJobEvent(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const eventTypes: ReadonlySet<unknown> = new Set([
  'created',
  'step-started',
  'step-ended',
  'status',
  'commit',
  'outputs',
]);

function isJobEvent(value: unknown): value is JobEvent {
  return typeof value === 'object' && value !== null && 'type' in value && eventTypes.has(value.type);
}
