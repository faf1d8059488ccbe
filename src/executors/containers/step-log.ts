import { writeSync } from 'node:fs';
import type { JobDirectory } from '../../execution/index.ts';

/** The step whose output is being copied into the log. */
interface Copying {
  index: number;
  /** Bytes of it that are in the log. */
  bytes: number;
  /** What is appended now is more of it. */
  live: boolean;
}

/**
 * The log of a task whose tools write elsewhere: their output is copied into it, with lines of ours in between. However this process
 * ends, the next one knows what of the output is in the log: the number of bytes and where they begin are recorded before the first
 * of them is written, and before and after every line of ours; so what was appended since the last record is either of the one kind
 * or of the other.
 */
export class StepLog {
  readonly #directory: JobDirectory;
  #copying: Copying | undefined;

  constructor(directory: JobDirectory) {
    this.#directory = directory;
    this.#copying = copyingOf(directory);
  }

  /** Copies the output of this step from now on, behind what an earlier process has copied of it. */
  begin(index: number): void {
    if (this.#copying?.index !== index) this.#copying = { index, bytes: 0, live: false };
  }

  end(): void {
    this.#copying = undefined;
  }

  /** Appends output of the step. False when the disk takes nothing, or not all of it: then ask `copied` from where to go on. */
  append(output: Buffer): boolean {
    const copying = this.#copying;
    if (!copying) return false;
    try {
      if (!this.#goLive(copying)) return false;
      for (let rest = output; rest.length > 0;) {
        const written = writeSync(this.#directory.logFd, rest);
        copying.bytes += written;
        rest = rest.subarray(written);
      }
      return true;
    } catch {
      return false;
    }
  }

  /** Bytes of the step's output that are in the log. */
  get copied(): number {
    return this.#copying?.bytes ?? 0;
  }

  /** Appends a line of ours; `isCounted` unless it would be another one, or none, if the task were played again. */
  appendLine(text: string, { isCounted }: { isCounted: boolean }): void {
    if (this.#copying?.live === true) {
      this.#copying.live = false;
      this.#directory.record({ type: 'copied', ...this.#copying });
    }
    if (isCounted) this.#directory.appendLine(text);
    else this.#directory.appendRemark(text);
  }

  /** What waits for the disk comes first, so that nothing is recorded that is not so. */
  #goLive(copying: Copying): boolean {
    this.#directory.flush();
    if (this.#directory.trouble !== undefined) return false;
    if (copying.live) return true;
    copying.live = true;
    this.#directory.recordNow({ type: 'copied', ...copying });
    return true;
  }
}

/** The step that an earlier process was copying when it ended. Nobody has written to the log since. */
function copyingOf(directory: JobDirectory): Copying | undefined {
  const events = directory.events();
  const last = events.findLast((event) => event.type === 'copied');
  if (last?.type !== 'copied') return undefined;
  const { bytes, index, live, logSize } = last;
  const isOver = events.some((event) => event.type === 'step-ended' && event.index === index);
  return isOver ? undefined : { index, bytes: bytes + (live ? directory.logSize - logSize : 0), live };
}
