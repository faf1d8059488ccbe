import { randomBytes } from 'node:crypto';
import { constants, existsSync, readFileSync } from 'node:fs';
import { chmod, lchown, lstat, mkdir, mkdtemp, open, rename, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CaptureResult, ProcessSpec } from '../execution/index.ts';
import { codeOf, processStartTime, UserError } from '../lib/index.ts';
import { addKeys, listKeys } from './agent-client.ts';
import { agentCommand, takenSuffix } from './agent-script.ts';
import type { AgentKey } from './key.ts';

/** Longest path of a Unix socket on Linux is 107 bytes, on others 103. */
const maxSocketPath = 100;

/** What an agent needs of the task that it belongs to. A task's host is one. */
export interface AgentHost {
  /** Runs a short process as the task's user, on a replay too. */
  assist(spec: ProcessSpec): Promise<CaptureResult>;
  /** Does something once in the life of the task. */
  once<Value>(key: string, work: () => Promise<Value>): Promise<Value>;
}

export interface SshAgentOptions {
  /** In the order in which they are offered. */
  keys: readonly AgentKey[];
  /** Unique among the agents of the task, for example `agent-12`. */
  name: string;
  /** Private directory of the task; when its path is too long for a socket, a private one below the system's is made. */
  directory: string;
  host: AgentHost;
  /** For `PATH`. */
  env: Readonly<Record<string, string>>;
  /** User that the tools run as, when it is not our own. */
  owner?: { uid: number; gid: number } | undefined;
}

export interface SshAgent {
  /** Value for `SSH_AUTH_SOCK`; the same whenever the task is played again. */
  socketPath: string;
  /** Ends the agent and removes its socket. Safe to call twice. */
  close(): Promise<void>;
}

interface Files {
  socket: string;
  /** Process ids of the agent and its keeper. */
  ids: string;
  /** Which runner the agent belongs to. */
  keeper: string;
  /** The same when the agent's keeper has taken it away. */
  taken: string;
}

/** A process, known for good. */
interface Known {
  pid: number;
  startTime: string | undefined;
}

/**
 * An OpenSSH agent with these keys. They reach it through its socket, so that they are in no argument, environment or file,
 * and nobody gets them out of it again: its memory cannot be read by other processes of its user. It is a process of its own,
 * because a tool needs it also while no runner is there: one that an earlier runner started for the task is taken over. It
 * ends with the task, and without a runner as soon as nothing of the task runs. Throws UserError when there is no agent to be
 * had or it refuses a key.
 */
export async function startSshAgent(options: SshAgentOptions): Promise<SshAgent> {
  const { keys, owner } = options;
  const { directory, isOwn, files } = await placeFor(options);
  await nameKeeper(files.keeper);
  const listed = await listKeys(files.socket);
  const isUsable =
    listed !== undefined &&
    keys.every(({ publicBlob }) => listed.some((one) => one.equals(publicBlob))) &&
    // It was about to end when its keeper got our name.
    !existsSync(files.taken);
  const processes: Known[] = isUsable ? knownFrom(await readIds(files.ids)) : [];
  const close = async (): Promise<void> => {
    for (const known of processes.splice(0)) end(known, owner);
    for (const file of Object.values(files)) await rm(file, { force: true });
    if (isOwn) await rmdir(directory).catch(() => undefined);
  };
  if (isUsable) return { socketPath: files.socket, close };
  processes.push(...(await start(options, files)));
  try {
    // The keeper of the one before may have taken away the name that was for this one's.
    await nameKeeper(files.keeper);
    await addKeys(files.socket, keys);
    return { socketPath: files.socket, close };
  } catch (error: unknown) {
    await close();
    throw error;
  }
}

async function start({ env, host, owner }: SshAgentOptions, files: Files): Promise<Known[]> {
  const stop = { signal: 'SIGTERM', graceMs: 1000 } as const;
  const { result, stderr, stdout } = await host.assist({ ...agentCommand(files), cwd: '/', env, stop, ...owner });
  if (result.kind === 'stopped') return [];
  const known = knownFrom(stdout);
  if (known.length > 0) return known;
  const said = [stderr, stdout].map((text) => text.trim()).find((text) => text !== '');
  throw new UserError(
    `An ssh-agent cannot be started (${said ?? (result.kind === 'unstartable' ? result.message : result.kind)}).`,
    {
      hint: "SSH keys are used through OpenSSH's ssh-agent: install OpenSSH's client programs and util-linux.",
    },
  );
}

/** Where the agent's files are: the same place every time. */
async function placeFor({ directory, host, name, owner }: SshAgentOptions) {
  const filesIn = (place: string, stem: string): Files => ({
    socket: join(place, `${stem}.sock`),
    ids: join(place, `${stem}.pids`),
    keeper: join(place, `${stem}.keeper`),
    taken: join(place, `${stem}.keeper${takenSuffix}`),
  });
  const usual = filesIn(directory, name);
  if (Buffer.byteLength(usual.socket) <= maxSocketPath) return { directory, isOwn: false, files: usual };
  const parent = Buffer.byteLength(tmpdir()) < 60 ? tmpdir() : '/tmp';
  const short = await host.once(`${name}-place`, () => mkdtemp(join(parent, 'agent-')));
  await claim(short, owner);
  return { directory: short, isOwn: true, files: filesIn(short, 'a') };
}

/** Makes the directory ours again where it has gone meanwhile. Throws when it is somebody else's by now. */
async function claim(directory: string, owner: SshAgentOptions['owner']): Promise<void> {
  await mkdir(directory, { mode: 0o700 }).catch((error: unknown) => {
    if (codeOf(error) !== 'EEXIST') throw error;
  });
  const found = await lstat(directory);
  if (!found.isDirectory() || (found.uid !== process.getuid?.() && found.uid !== owner?.uid)) {
    throw new UserError(`${directory}, where the socket of an ssh-agent was, belongs to somebody else.`);
  }
  if (owner) await lchown(directory, owner.uid, owner.gid);
}

/** Tells the agent's keeper that the agent is of use as long as this process lives. */
async function nameKeeper(path: string): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString('hex')}`;
  const file = await open(temporary, 'wx', 0o644);
  try {
    await file.writeFile(`${process.pid} ${processStartTime(process.pid) ?? ''}\n`);
  } finally {
    await file.close();
  }
  await chmod(temporary, 0o644);
  await rename(temporary, path);
}

/** Tools can write where this file is: anything may be there. */
async function readIds(path: string): Promise<string> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0);
      return buffer.toString('latin1', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    return '';
  }
}

function knownFrom(text: string): Known[] {
  const match = /^(\d+) (\d+)$/.exec(text.trim());
  return match ? match.slice(1).map((pid) => ({ pid: Number(pid), startTime: processStartTime(Number(pid)) })) : [];
}

/** Kills a process and its group, if it is still the one that was known and the tools' user could kill it, too. */
function end({ pid, startTime }: Known, owner: SshAgentOptions['owner']): void {
  if (pid <= 1 || processStartTime(pid) !== startTime) return;
  if (owner && userOf(pid) !== owner.uid) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error: unknown) {
    if (codeOf(error) !== 'ESRCH' && codeOf(error) !== 'EPERM') throw error;
  }
}

function userOf(pid: number): number | undefined {
  try {
    const uid = /^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return uid === undefined ? undefined : Number(uid);
  } catch {
    return undefined;
  }
}
