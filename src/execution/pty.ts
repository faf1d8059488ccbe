import { createRequire } from 'node:module';
import { closeSync, openSync, readSync } from 'node:fs';
import type { OnReadOpts, SocketConstructorOpts } from 'node:net';
import { ReadStream } from 'node:tty';
import { codeOf, messageOf, UserError } from '../lib/index.ts';

/** The part of the package's native module that is used here. */
interface NativePty {
  /** Opens a pseudo-terminal of this size with the kernel's default settings. */
  open(columns: number, rows: number): { master: number; slave: number; pty: string };
}

/** What one read takes at most, bytes; the kernel gives up to 4 KiB. */
const readBytes = 16 * 1024;

/** Descriptors of all terminals that this process has open. The package does not mark them close-on-exec. */
const openDescriptors = new Set<number>();

/**
 * A pseudo-terminal: our end of it, and the path of the end that a process gets. The window has no size (0 x 0), and the settings are
 * the kernel's, as for a terminal that nobody has configured.
 *
 * Of the package only `open` is used. Its `spawn` cannot make a window of no size, starts a process with our descriptors in it,
 * and throws away what was not read 200 ms after the process's end.
 */
export class Pty {
  /** For example `/dev/pts/3`. */
  readonly path: string;
  readonly #master: number;
  readonly #slave: number;
  readonly #stream: ReadStream;
  readonly #buffer = Buffer.allocUnsafe(readBytes);
  readonly #onData: (bytes: Buffer) => void;
  #isPaused = false;
  #isClosed = false;

  /** `onData` gets what arrives; the bytes are only there during the call. Throws UserError when there is no pseudo-terminal. */
  constructor(onData: (bytes: Buffer) => void) {
    const opened = openTerminal();
    this.path = opened.pty;
    this.#master = opened.master;
    this.#slave = opened.slave;
    this.#onData = onData;
    openDescriptors.add(opened.master).add(opened.slave);
    // The slave stays open here: a terminal that nobody has open reports an error instead of the rest of what was written to it.
    // One buffer for all reads; the declarations know this of sockets only, but a terminal is one.
    const options: SocketConstructorOpts & { onread: OnReadOpts } = {
      onread: { buffer: this.#buffer, callback: (size) => this.#read(size) },
    };
    this.#stream = new ReadStream(opened.master, options);
    this.#stream.on('error', () => this.close());
    this.#stream.resume();
  }

  /**
   * `stdio` of a process to be started: /dev/null, also where it would inherit the descriptors of a terminal of ours. `close` when
   * the process was started. `covered` are the descriptors that are open in the process for no other reason.
   */
  static safeStdio(): { stdio: ('ignore' | number)[]; covered: number[]; close: () => void } {
    const covered = [...openDescriptors];
    const nothing = openSync('/dev/null', 'r+');
    const stdio = Array.from({ length: Math.max(2, ...covered) + 1 }, (_, fd) =>
      openDescriptors.has(fd) ? nothing : ('ignore' as const),
    );
    return { stdio, covered, close: () => closeSync(nothing) };
  }

  write(text: string): void {
    if (!this.#isClosed) this.#stream.write(text);
  }

  /** Reads nothing until `resume`; a process that writes more than the kernel keeps (some KiB) has to wait. */
  pause(): void {
    if (this.#isClosed) return;
    this.#isPaused = true;
    this.#stream.pause();
    // A stream that was told to flow in the same turn begins to read all the same.
    process.nextTick(() => this.#isPaused && this.#stream.pause());
  }

  resume(): void {
    if (this.#isClosed) return;
    this.#isPaused = false;
    this.#stream.resume();
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Reads what is there now, up to about `limit` bytes, and returns how much that was. Heeds a `pause`. */
  readNow(limit: number): number {
    let total = 0;
    while (total < limit && !this.#isPaused && !this.#isClosed) {
      const size = readOrNothing(this.#master, this.#buffer);
      if (size === 0) break;
      total += size;
      this.#onData(this.#buffer.subarray(0, size));
    }
    return total;
  }

  /** Hangs up: processes that still have the terminal lose it. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isPaused = false;
    openDescriptors.delete(this.#master);
    openDescriptors.delete(this.#slave);
    this.#stream.destroy();
    closeSync(this.#slave);
  }

  #read(size: number): boolean {
    if (size > 0 && !this.#isClosed) this.#onData(this.#buffer.subarray(0, size));
    return !this.#isPaused;
  }
}

function readOrNothing(fd: number, buffer: Buffer): number {
  try {
    return readSync(fd, buffer);
  } catch (error: unknown) {
    // Nothing there now, or nothing any more.
    if (codeOf(error) === 'EAGAIN' || codeOf(error) === 'EIO') return 0;
    throw error;
  }
}

let native: NativePty | undefined;

function openTerminal(): ReturnType<NativePty['open']> {
  native ??= loadNative();
  try {
    return native.open(0, 0);
  } catch (error: unknown) {
    throw new UserError(`The system gave no pseudo-terminal: ${messageOf(error)}`, {
      hint: 'A job needs one: look whether /dev/pts is mounted and whether /proc/sys/kernel/pty/nr has reached /proc/sys/kernel/pty/max.',
      cause: error,
    });
  }
}

function loadNative(): NativePty {
  try {
    const require = createRequire(import.meta.url);
    // The binary is a package of its own, found from the one that depends on it.
    const inner = createRequire(require.resolve('@lydell/node-pty'));
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- native code, without types
    return inner(`@lydell/node-pty-${process.platform}-${process.arch}/pty.node`) as NativePty;
  } catch (error: unknown) {
    throw new UserError(
      `Jobs run in a pseudo-terminal, and the package for it (@lydell/node-pty) cannot be loaded on ${process.platform}-${process.arch}: ${messageOf(error).split('\n')[0]}`,
      { hint: 'Install the program again without `--omit=optional`, on the machine that it runs on.', cause: error },
    );
  }
}
