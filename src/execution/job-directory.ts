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
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import {
  codeOf,
  messageOf,
  parseOwnJson,
  removeTree,
  shortageHint,
  UserError,
  writeFileAtomicSync,
} from '../lib/index.ts';
import { eventsName, readEvents, type DoneInside, type JobEvent, type RecordedEvent } from './job-events.ts';
import { endedSince, machineLife } from './machine.ts';
import { PatientFile } from './patient-file.ts';
import { Seal } from './seal.ts';

const newline = 10;

/** From this size on `sending` is begun anew instead of continued, bytes. */
const maxSendingBytes = 64 * 1024;

const logName = 'output.log';

/** Begins the names of directories that are being made or removed: no job is looked for there. */
const unfinishedPrefix = '.';

/** How far the server has the log, and the time of the last record it has (milliseconds, and the count within them). */
export interface Acknowledged {
  offset: number;
  ms: number;
  sub: number;
}

/** What may be on the server although it did not say so. */
export interface Sending {
  /** End of it in the log, bytes. */
  end: number;
  /** When the log had which size: pairs of (bytes, milliseconds since the epoch). */
  times: readonly (readonly [number, number])[];
}

/**
 * The directory that is the truth about one job (architecture, decision 1). Writing is synchronous on purpose: every call
 * is a system call or two on local files, and the order of what is written must be the order of what happened.
 *
 *     job.sealed       the job, encrypted                   output.log   raw output, append only
 *     secrets.sealed   what to mask in the log, encrypted   acked        bytes of output.log the server has
 *     steps.jsonl      events, append only                  sending      times of what is on its way to the server
 *     exit.<n>         pid and exit code of step n
 *
 * It is made and removed under another name, so that there is all of it or nothing whenever this process is killed.
 *
 * While the disk is full or read-only, events and lines of ours wait in memory (see PatientFile), events behind lines, so that
 * what another process finds is always a beginning of what happened. Only a step is not started before its event is on the disk.
 */
export class JobDirectory {
  readonly path: string;
  /** Value of the environment tag that all processes of the job carry. */
  readonly tag: string;
  /** Milliseconds since the epoch at which the job was begun. */
  readonly createdAt: number;
  /** Descriptor of `output.log`, opened for appending and reading. */
  readonly logFd: number;
  readonly #root: string;
  readonly #machine: string;
  readonly #ackedFd: number;
  /** `sending`, once this process has written to it. */
  #sending: { fd: number; bytes: number } | undefined;
  readonly #eventsFd: number;
  readonly #events: PatientFile;
  readonly #log: PatientFile;
  /** Undefined when the key was sealed with another token. */
  readonly #seal: Seal | undefined;
  #steps: number;
  #lines: number;
  #closed = false;

  private constructor(root: string, path: string, seal: Seal | undefined, events: readonly RecordedEvent[]) {
    const created = events.find((event) => event.type === 'created');
    if (!created) throw new Error(`${path} is no job directory`);
    this.#root = root;
    this.path = path;
    this.tag = created.tag;
    this.createdAt = created.at;
    this.#machine = created.machine;
    this.#seal = seal;
    this.#steps = events.filter((event) => event.type === 'step-starting').length;
    this.#lines = events.at(-1)?.lines ?? 0;
    const opened: number[] = [];
    const openFile = (name: string, flags: string | number): number => {
      const fd = openSync(join(path, name), flags, 0o600);
      opened.push(fd);
      return fd;
    };
    try {
      this.logFd = openFile(logName, 'a+');
      this.#ackedFd = openFile('acked', constants.O_RDWR | constants.O_CREAT);
      this.#eventsFd = openFile(eventsName, 'a+');
    } catch (error: unknown) {
      for (const fd of opened) closeSync(fd);
      throw error;
    }
    // What a crash or a full disk has cut short must not spoil what is written after it.
    this.#events = new PatientFile({ fd: this.#eventsFd, before: () => lineEndFor(this.#eventsFd) });
    this.#log = new PatientFile({ fd: this.logFd, before: () => lineEndFor(this.logFd) });
  }

  /**
   * Makes the directory of job `id` below `root` (both 0700). Throws UserError when that is not possible; no later process takes
   * what is left then for a job.
   */
  static async create(root: string, id: number, content: string, tokenSeal: Seal): Promise<JobDirectory> {
    const path = join(root, String(id));
    const seal = Seal.random();
    const tag = `${id}-${randomBytes(9).toString('base64url')}`;
    const key = tokenSeal.closeKey(seal);
    const created = {
      type: 'created',
      tag,
      at: Date.now(),
      machine: machineLife(),
      key,
      logSize: 0,
      lines: 0,
    } as const;
    const unfinished = unfinishedName(root, id);
    try {
      mkdirSync(root, { recursive: true, mode: 0o700 });
      // A leftover of the same id was finished or given up by recovery; its log must not mix with the new one.
      await removeAtOnce(root, id);
      mkdirSync(unfinished, { mode: 0o700 });
      const files = {
        'job.sealed': seal.close(content),
        'secrets.sealed': seal.close('[]'),
        // In place from now on, on a full disk too.
        acked: ackedText({ offset: 0, ms: 0, sub: 0 }),
        [eventsName]: `${JSON.stringify(created)}\n`,
      };
      for (const [name, text] of Object.entries(files)) writeFileSync(join(unfinished, name), text, { mode: 0o600 });
      renameSync(unfinished, path);
      return new JobDirectory(root, path, seal, [created]);
    } catch (error: unknown) {
      await removeTree(unfinished, root).catch(() => undefined);
      throw new UserError(`the job directory ${path} cannot be made (${messageOf(error)})`, {
        hint: shortageHint(codeOf(error)) ?? 'Check owner and permissions of runner.state_dir.',
        cause: error,
      });
    }
  }

  /** Opens what an earlier process left. Undefined when there is no usable record of it. */
  static open(root: string, id: number, tokenSeal: Seal): JobDirectory | undefined {
    const path = join(root, String(id));
    const events = readEvents(path);
    const keys = events.flatMap((event) => (event.type === 'created' || event.type === 'resealed' ? [event.key] : []));
    if (keys.length === 0) return undefined;
    const seals = keys.toReversed().flatMap((key) => tokenSeal.openKey(key) ?? []);
    return new JobDirectory(root, path, seals[0], events);
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

  /** Keeps the directory of job `id`, which cannot be read, under another name for people to look at. Returns its path. */
  static setAside(root: string, id: number): string {
    const aside = join(root, `damaged-${id}-${randomBytes(3).toString('hex')}`);
    renameSync(join(root, String(id)), aside);
    return aside;
  }

  /** Removes what earlier processes were making or removing when they ended. Not while another one may do so. */
  static async removeUnfinished(root: string): Promise<void> {
    const names = existsSync(root) ? readdirSync(root).filter((name) => name.startsWith(unfinishedPrefix)) : [];
    for (const name of names) await removeTree(join(root, name), root);
  }

  get logPath(): string {
    return join(this.path, logName);
  }

  /** When something was last written to the log, milliseconds since the epoch. */
  get logTime(): number {
    return fstatSync(this.logFd).mtimeMs;
  }

  /** Bytes written to the log so far. */
  get logSize(): number {
    return fstatSync(this.logFd).size;
  }

  /** The job as it was given to `create`, or undefined when it was sealed with another token. */
  readJob(): string | undefined {
    return this.#seal?.open(readFileSync(join(this.path, 'job.sealed')));
  }

  /** Replaces the list of texts that must not leave this machine with the log. */
  writeSecrets(secrets: Iterable<string>): void {
    if (!this.#seal) return;
    writeFileAtomicSync(join(this.path, 'secrets.sealed'), this.#seal.close(JSON.stringify([...secrets])));
  }

  /** Removes the list, when it cannot be replaced: nothing of the log is sent without it by another process. */
  dropSecrets(): void {
    rmSync(join(this.path, 'secrets.sealed'), { force: true });
  }

  /** The list; undefined when it cannot be read or is not there, so that the log must not be sent. */
  readSecrets(): string[] | undefined {
    const path = join(this.path, 'secrets.sealed');
    if (!this.#seal || !existsSync(path)) return undefined;
    const text = this.#seal.open(readFileSync(path));
    const list: unknown = text === undefined ? undefined : JSON.parse(text);
    return Array.isArray(list) ? list.map(String) : undefined;
  }

  /** Lets a runner with another token read the job, too. Nothing when this one cannot. */
  reseal(tokenSeal: Seal): void {
    if (this.#seal) this.record({ type: 'resealed', key: tokenSeal.closeKey(this.#seal) });
  }

  events(): RecordedEvent[] {
    return readEvents(this.path);
  }

  /** Adds an event; it waits behind a line that could not be written. */
  record(event: JobEvent): void {
    const recorded = { ...event, logSize: this.logSize, lines: this.#lines };
    this.#events.keep(`${JSON.stringify(recorded)}\n`);
    this.flush();
  }

  /** The same for an event that must be on the disk before what it tells of happens. Throws the system error otherwise. */
  recordNow(event: JobEvent): void {
    this.record(event);
    if (this.trouble !== undefined) throw this.trouble;
  }

  /** Writes what is waiting, as far as possible. */
  flush(): void {
    if (this.#log.flush()) this.#events.flush();
  }

  /** The error that keeps lines or events waiting, while there is one. */
  get trouble(): unknown {
    return this.#log.trouble ?? this.#events.trouble;
  }

  /** Gives up the lines that could not be written and returns them, whole. */
  takeWaitingLines(): string[] {
    return this.#log.takeWaiting().map((text) => text.slice(0, -1));
  }

  /** Records the value of something that is done once; it must survive JSON. */
  recordOnce(key: string, value: unknown, inside?: DoneInside): void {
    const sealed = this.#seal?.close(JSON.stringify({ value })).toString('base64');
    if (sealed !== undefined) this.record({ type: 'once', key, sealed, inside });
  }

  /** The values recorded so, by key. */
  readOnce(): Map<string, unknown> {
    const values = new Map<string, unknown>();
    for (const event of this.events()) {
      if (event.type !== 'once') continue;
      const text = this.#seal?.open(Buffer.from(event.sealed, 'base64'));
      if (text !== undefined) values.set(event.key, parseOwnJson<{ value?: unknown }>(text).value);
    }
    return values;
  }

  /** What was restarted since the job was begun: no process of it is there any more. Undefined when nothing was. */
  get restarted(): 'machine' | 'container' | undefined {
    return endedSince(this.#machine);
  }

  /** Number and exit file of the next step. */
  nextStep(): { index: number; exitFile: string } {
    this.#steps += 1;
    return { index: this.#steps, exitFile: this.exitFile(this.#steps) };
  }

  /** Exit file of step `index`. */
  exitFile(index: number): string {
    return join(this.path, `exit.${index}`);
  }

  /** Appends a line of our own, on a line of its own even when the tool's last one has no end yet. */
  appendLine(text: string): void {
    this.appendRemark(text);
    this.#lines += 1;
  }

  /** The same for a line that is not part of the task: it is not looked for when the task is played again. */
  appendRemark(text: string): void {
    this.#log.append(`${text}\n`);
  }

  /** Counts a line that an earlier process appended without recording anything after it. */
  countLine(): void {
    this.#lines += 1;
  }

  /** What the server has accepted; nothing before the first acknowledgement. */
  readAcked(): Acknowledged {
    const [offset, ms, sub] = readFileSync(join(this.path, 'acked'), 'latin1').split(/\s+/).map(Number);
    return { offset: offset || 0, ms: ms || 0, sub: sub || 0 };
  }

  /** One small write in place: a reader sees the old numbers or the new ones. */
  writeAcked(acknowledged: Acknowledged): void {
    writeSync(this.#ackedFd, ackedText(acknowledged), 0, 'latin1');
  }

  /** Before a part of the log is sent: sent again, also by another process, it has the same times. */
  writeSending(sending: Sending): void {
    const path = join(this.path, 'sending');
    const line = Buffer.from(`${JSON.stringify(sending)}\n`, 'latin1');
    this.#sending ??= newFile(path);
    // A line behind the others is cheaper than a file of its own for each report.
    if (this.#sending && this.#sending.bytes < maxSendingBytes && appended(this.#sending.fd, line)) {
      this.#sending.bytes += line.length;
      return;
    }
    this.#closeSending();
    writeFileAtomicSync(path, line);
    this.#sending = { fd: openSync(path, 'a'), bytes: line.length };
  }

  /** What was written last and whole. */
  readSending(): Sending {
    const lines = textOf(join(this.path, 'sending')).split('\n').toReversed();
    for (const line of lines) {
      const sending = parseSending(line);
      if (sending) return sending;
    }
    // None yet: nothing was sent.
    return { end: 0, times: [] };
  }

  /** Closes the descriptors; the directory stays. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.flush();
    closeSync(this.logFd);
    closeSync(this.#ackedFd);
    closeSync(this.#eventsFd);
    this.#closeSending();
  }

  /** Closes and removes the directory. */
  async remove(): Promise<void> {
    this.close();
    await removeAtOnce(this.#root, Number(basename(this.path)));
  }

  #closeSending(): void {
    if (this.#sending) closeSync(this.#sending.fd);
    this.#sending = undefined;
  }
}

function unfinishedName(root: string, id: number): string {
  return join(root, `${unfinishedPrefix}${id}-${randomBytes(6).toString('hex')}`);
}

/** Removes the directory of job `id`, if there is one: all of it is gone for others before any of it is. */
async function removeAtOnce(root: string, id: number): Promise<void> {
  const doomed = unfinishedName(root, id);
  try {
    renameSync(join(root, String(id)), doomed);
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  removeSmallFiles(doomed);
  await removeTree(doomed, root);
}

/** Files of a few bytes go at once: one by one through the thread pool they cost many times as much. A log may be large. */
function removeSmallFiles(directory: string): void {
  try {
    for (const name of readdirSync(directory)) if (name !== logName) unlinkSync(join(directory, name));
  } catch {
    // Whatever is in the way, removing the tree deals with it, or tells.
  }
}

function ackedText({ offset, ms, sub }: Acknowledged): string {
  return `${[offset, ms, sub].map((number) => String(number).padStart(16, '0')).join(' ')}\n`;
}

/** A file that was not there; undefined when it was. */
function newFile(path: string): { fd: number; bytes: number } | undefined {
  try {
    return { fd: openSync(path, 'ax', 0o600), bytes: 0 };
  } catch (error: unknown) {
    if (codeOf(error) === 'EEXIST') return undefined;
    throw error;
  }
}

/** False when the disk took none, or only a part of it. */
function appended(fd: number, line: Buffer): boolean {
  try {
    return writeSync(fd, line) === line.length;
  } catch {
    return false;
  }
}

/** Undefined for a line that was cut short. */
function parseSending(line: string): Sending | undefined {
  try {
    return parseOwnJson<Sending>(line);
  } catch {
    return undefined;
  }
}

/** "" when there is no such file. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** A line feed when the last line of the file has none. */
function lineEndFor(fd: number): string {
  const { size } = fstatSync(fd);
  const last = Buffer.alloc(1, newline);
  if (size > 0) readSync(fd, last, 0, 1, size - 1);
  return last[0] === newline ? '' : '\n';
}
