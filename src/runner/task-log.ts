import type { JobDirectory } from '../execution/index.ts';
import type { Clock } from '../lib/index.ts';
import { createMasker, Follower, LogCursor, TimeMarks, type LogBatch, type Masker } from '../logs/index.ts';
import type { ProgressBody } from '../protocol/ui/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { PatientNotes } from './patient-notes.ts';

export interface TaskLogOptions {
  taskId: number;
  directory: JobDirectory;
  clock: Clock;
  logger: Logger;
  maxLineBytes: number;
  masking: { enabled: boolean; minLength: number };
  /** Secrets of the runner itself, masked in every log. */
  ownSecrets: readonly string[];
  /** Called whenever the log has grown. */
  onGrowth: () => void;
}

/** How much log a report may hold. */
export interface ReportLimits {
  /** About so many bytes of JSON, but at least one record. */
  bytes: number;
  /** A longer line is cut, even if `maxLineBytes` would allow it. */
  lineBytes: number;
}

/** The log of one task on its way from the job directory to the server, and what must not be seen in it. */
export class TaskLog {
  readonly #options: TaskLogOptions;
  readonly #secrets: Set<string>;
  readonly #ownSecrets: string[];
  readonly #marks: TimeMarks;
  readonly #cursor: LogCursor;
  readonly #follower: Follower;
  readonly #notes: PatientNotes;
  #masker: Masker | undefined;
  #secretsStored = true;

  /** Begins where the server's part of the log ends, as far as the directory tells. */
  constructor(options: TaskLogOptions, secrets: Iterable<string> = []) {
    const { clock, directory, maxLineBytes } = options;
    const fd = directory.logFd;
    const { offset, ms, sub } = directory.readAcked();
    this.#options = options;
    this.#notes = new PatientNotes(options);
    this.#ownSecrets = [...options.ownSecrets];
    this.#secrets = new Set([...options.ownSecrets, ...secrets]);
    const sending = directory.readSending();
    this.#marks = new TimeMarks(sending.times);
    this.#cursor = new LogCursor({
      fd,
      marks: this.#marks,
      maxLineBytes,
      offset,
      sent: sending.end,
      time: { ms, sub },
      now: () => clock.now(),
      masker: () => this.#currentMasker(),
      later: (delay) => setTimeout(options.onGrowth, delay).unref(),
    });
    this.#follower = new Follower({
      path: directory.logPath,
      fd,
      marks: this.#marks,
      clock,
      onGrowth: options.onGrowth,
    });
  }

  follow(): void {
    this.#follower.start();
  }

  stopFollowing(): void {
    this.#follower.stop();
  }

  /** Writes the next records into `body`, as `LogCursor.read` does. */
  read(body: ProgressBody, limits: ReportLimits, final: boolean, after: LogBatch | undefined): LogBatch {
    this.#notes.retry();
    const lineBytes = Math.min(limits.lineBytes, this.#options.maxLineBytes);
    const batch = this.#cursor.read(body.writer, limits.bytes, final, after, lineBytes);
    if (batch.count > 0) {
      const sending = { end: batch.end, times: this.#marks.upTo(batch.end) };
      this.#notes.write('sending', () => this.#options.directory.writeSending(sending));
    }
    return batch;
  }

  /** The server has accepted `batch`. */
  commit(batch: LogBatch): void {
    if (batch.count === 0) return;
    this.#cursor.commit(batch);
    const acked = { offset: batch.end, ...batch.endTime };
    this.#notes.write('acked', () => this.#options.directory.writeAcked(acked));
  }

  /** Masked whether or not the secrets of tasks are. */
  addOwnSecret(value: string): void {
    this.#ownSecrets.push(value);
    this.#masker = undefined;
    this.addSecret(value);
  }

  /** Sends nothing of what lies before `end`. */
  #skipTo(end: number): void {
    const { ms, offset, sub } = this.#options.directory.readAcked();
    if (end > offset) this.commit({ count: 1, end, endTime: { ms, sub }, more: false });
  }

  /**
   * Sends nothing of what is there by now, because it is not known what to mask in it, and says so. Nothing of the task writes to it any
   * more; what an earlier process added then is sent.
   */
  leaveOut(): void {
    const { directory } = this.#options;
    const earlier = directory.events().find((event) => event.type === 'withheld');
    const end = earlier?.logSize ?? directory.logSize;
    if (!earlier) directory.record({ type: 'withheld' });
    this.#skipTo(end);
    if (directory.logSize === end) {
      directory.appendLine('Part of the log is withheld: the list of secrets to mask in it cannot be read.');
    }
  }

  addSecret(value: string): void {
    if (value === '' || this.#secrets.has(value)) return;
    this.#secrets.add(value);
    this.#masker = undefined;
    if (!this.#secretsStored) return;
    // Several arrive together; they are stored once, before anything asynchronous can print them.
    this.#secretsStored = false;
    queueMicrotask(() => this.#storeSecrets());
  }

  mask(text: string): string {
    return this.#currentMasker().mask(text);
  }

  #storeSecrets(): void {
    const { directory } = this.#options;
    this.#secretsStored = true;
    this.#notes.write('secrets', () => {
      try {
        directory.writeSecrets(this.#secrets);
      } catch (error: unknown) {
        directory.dropSecrets();
        throw error;
      }
    });
  }

  #currentMasker(): Masker {
    const { masking } = this.#options;
    this.#masker ??= createMasker(masking.enabled ? this.#secrets : this.#ownSecrets, masking.minLength);
    return this.#masker;
  }
}
