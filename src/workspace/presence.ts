import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { codeOf } from '../lib/index.ts';

/**
 * How one process knows whether another one that uses the same work root is still there. Each listens on a socket in the root
 * and leaves the socket's name in what it uses. Unlike a process id such a socket can be neither re-used nor misunderstood in
 * a container that has ids of its own, and the system closes it however the process ends.
 */

/** Longest path of a Unix socket that every system takes. */
const maxSocketPath = 100;
const socketNames = /^\.owner-[0-9a-f]{16}$/;
/** A mark is a line; what is longer is none of ours. */
const maxMarkBytes = 512;

/** `unknown`: of another machine, or unreadable. */
export type Life = 'own' | 'alive' | 'dead' | 'unknown';

export class Presence {
  readonly #root: string;
  readonly #name = `.owner-${randomBytes(8).toString('hex')}`;
  #server: Promise<Server | undefined> | undefined;
  #closed = false;

  /** `root` need not exist until the first mark. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Writes a mark of this process to `path`. */
  async mark(path: string): Promise<void> {
    this.#server ??= this.#listen();
    // Where no socket can be made, the mark names one that never was: others cannot tell, and wait.
    const name = (await this.#server) ? this.#name : '-';
    // By way of another name, because tools may have put anything in the place of an earlier mark.
    const fresh = `${path}-${randomBytes(4).toString('hex')}`;
    writeFileSync(fresh, `${name} ${bootId()} ${hostname()}\n`, { mode: 0o600, flag: 'wx' });
    renameSync(fresh, path);
  }

  /** What became of the process that left the mark at `path`; undefined when there is none. */
  async lifeOf(path: string): Promise<Life | undefined> {
    const text = readMark(path);
    if (text === undefined) return undefined;
    const [name = '', boot, host] = text.trim().split(' ');
    if (name === this.#name) return 'own';
    // The same machine after a restart; another one that shares the directory cannot be asked.
    if (boot !== bootId()) return host === hostname() ? 'dead' : 'unknown';
    if (!socketNames.test(name)) return 'unknown';
    return (await answers(this.#root, name)) ? 'alive' : 'dead';
  }

  /** Removes the sockets of processes that are gone. */
  async removeDead(): Promise<void> {
    const names = (await readdir(this.#root).catch(() => [])).filter((name) => socketNames.test(name));
    for (const name of names) {
      if (name !== this.#name && !(await answers(this.#root, name))) await rm(join(this.#root, name), { force: true });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const server = await this.#server;
    if (!server?.listening) return;
    await new Promise((resolve) => server.close(resolve));
    await rm(join(this.#root, this.#name), { force: true });
  }

  async #listen(): Promise<Server | undefined> {
    if (this.#closed) return undefined;
    const server = createServer((socket) => socket.destroy());
    const listening = await withShortPath(this.#root, this.#name, (path) =>
      settled(server, 'listening', () => server.listen(path)),
    );
    if (!listening) return undefined;
    server.unref();
    return server;
  }
}

/** Whether somebody listens on the socket; also true when that cannot be told. */
async function answers(root: string, name: string): Promise<boolean> {
  return await withShortPath(root, name, (path) => {
    const socket = connect(path);
    return new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', (error) => resolve(!['ECONNREFUSED', 'ENOENT'].includes(codeOf(error) ?? '')));
    }).finally(() => socket.destroy());
  });
}

function settled(server: Server, event: string, start: () => void): Promise<boolean> {
  return new Promise((resolve) => {
    server.once(event, () => resolve(true));
    // Some file systems have no sockets.
    server.once('error', () => resolve(false));
    start();
  });
}

/** Calls `use` with a path to `name` in `root` that is short enough for a socket: on Linux any directory has one. */
async function withShortPath(root: string, name: string, use: (path: string) => Promise<boolean>): Promise<boolean> {
  const path = join(root, name);
  if (Buffer.byteLength(path) <= maxSocketPath) return await use(path);
  const fd = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return await use(`/proc/self/fd/${fd}/${name}`);
  } finally {
    closeSync(fd);
  }
}

/** Tools may write where the mark is, so that anything may be there instead. */
function readMark(path: string): string | undefined {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const found = fstatSync(fd);
      return found.isFile() && found.size <= maxMarkBytes ? readFileSync(fd, 'utf8') : '';
    } finally {
      closeSync(fd);
    }
  } catch (error: unknown) {
    return codeOf(error) === 'ENOENT' ? undefined : '';
  }
}

let boot: string | undefined;

/** Changes with every start of the machine; the same in all its containers. "" where the system does not tell. */
function bootId(): string {
  if (boot !== undefined) return boot;
  try {
    boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    boot = '-';
  }
  return boot;
}
