// A Docker engine for the tests: the one that answers, else one of our own for as long as tests run. Ours has its data in the cache of
// the developer, because the usual place may hold containers that somebody would not want started by a test command.
import { execFile, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { StepError } from './console.mjs';
import { withLock } from './lock.mjs';
import { findTool } from './tools.mjs';

const execute = promisify(execFile);

const START_MS = 120_000;
const STOP_MS = 60_000;
const POLL_MS = 200;

/** What all checkouts of a developer share: the engine's data, the lock of the images. */
export const engineDirectory = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'semaphore-development');

const usualPlace = {
  directory: engineDirectory,
  socket: '/var/run/docker.sock',
  execRoot: '/var/run/semaphore-development-docker',
  flags: [],
};

/**
 * Brings an engine up unless one answers. `text` is for the person; `close` ends an engine of ours with the last test command that uses
 * it, and resolves with the names of what tests have left in it. Throws StepError where there is none and none can be started.
 * `place` is for engines beside the usual one.
 */
export async function openEngine(place = usualPlace) {
  const users = join(place.directory, 'engine-users');
  const mine = join(users, String(process.pid));
  mkdirSync(users, { recursive: true });
  const locked = (work) => withLock(join(place.directory, 'engine.lock'), work);
  const isOurs = await locked(async () => {
    const before = await answers(place);
    if (!before.ok) await start(place, before.problem);
    const ours = enginePid(place) !== undefined;
    if (ours && othersIn(users).length === 0) await sweep(place);
    if (ours) writeFileSync(mine, '');
    return ours;
  });
  const close = () =>
    locked(async () => {
      rmSync(mine, { force: true });
      const pid = enginePid(place);
      if (!isOurs || pid === undefined || othersIn(users).length > 0) return [];
      const left = await sweep(place).catch((error) => [error.message]);
      await stop(pid);
      await unmount(place);
      return left;
    });
  return { text: isOurs ? `our own, log in ${logOf(place)}` : 'the one of this machine', close };
}

async function start(place, problem) {
  if (place === usualPlace && (process.env.DOCKER_HOST || process.env.DOCKER_CONTEXT))
    throw new StepError(`the Docker engine that DOCKER_HOST or DOCKER_CONTEXT names does not answer: ${problem}`);
  if (findTool('docker') === undefined) throw new StepError('no Docker engine: docker is not installed');
  if (process.platform !== 'linux' || process.getuid() !== 0 || findTool('dockerd') === undefined)
    throw new StepError(`no Docker engine answers (${problem}); start it, or run this as root with dockerd installed`);
  const log = openSync(logOf(place), 'w');
  // A session of its own: Ctrl-C is for the tests, which need the engine to clean up.
  const child = spawn(findTool('dockerd'), engineArguments(place), { detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  child.unref();
  const ended = [];
  child.once('error', (error) => ended.push(error.message));
  child.once('exit', (code, signal) => ended.push(signal ?? `exit code ${code}`));
  for (const late = Date.now() + START_MS; Date.now() < late; await delay(POLL_MS)) {
    if (ended.length > 0) throw new StepError(`dockerd did not start (${ended[0]})`, { log: logOf(place) });
    if ((await answers(place)).ok) return;
  }
  child.kill('SIGTERM');
  throw new StepError('dockerd was started and does not answer', { log: logOf(place) });
}

function engineArguments({ directory, socket, execRoot, flags }) {
  const data = ['--data-root', join(directory, 'docker'), '--exec-root', execRoot];
  return ['--host', `unix://${socket}`, ...data, '--pidfile', pidFileOf(directory), ...flags];
}

async function answers(place) {
  try {
    await docker(place, ['version', '--format', '{{.Server.Version}}']);
    return { ok: true };
  } catch (error) {
    const [line = ''] = String(error.stderr || error.message)
      .trim()
      .split('\n');
    return { ok: false, problem: line };
  }
}

/** Removes everything that is not an image of ours from our own engine, and returns the names. */
async function sweep(place) {
  const lists = [
    [
      ['ps', '--all', '--format', '{{.Names}}'],
      ['rm', '--force', '--volumes'],
    ],
    [
      ['network', 'ls', '--filter', 'type=custom', '--format', '{{.Name}}'],
      ['network', 'rm'],
    ],
    [
      ['volume', 'ls', '--format', '{{.Name}}'],
      ['volume', 'rm', '--force'],
    ],
    [
      ['images', '--format', '{{.Repository}}:{{.Tag}}'],
      ['rmi', '--force'],
    ],
  ];
  const removed = [];
  for (const [list, remove] of lists) {
    const names = (await docker(place, list)).split('\n').filter((name) => name !== '' && !isCached(name));
    for (const name of names) await docker(place, [...remove, name]);
    removed.push(...names);
  }
  await docker(place, ['image', 'prune', '--force']);
  return removed;
}

/** Images that tests share, as a cache. What belongs to one test has another name. */
function isCached(name) {
  return /^semaphore-test\/|^<none>/.test(name);
}

async function docker(place, args) {
  const env = place === usualPlace ? process.env : { ...process.env, DOCKER_HOST: `unix://${place.socket}` };
  const { stdout } = await execute('docker', args, { env, timeout: STOP_MS });
  return stdout.trim();
}

/** Test commands that use our engine, without this one. Those of the dead are removed. */
function othersIn(users) {
  return readdirSync(users).filter((name) => {
    if (name === String(process.pid)) return false;
    if (isAlive(Number(name))) return true;
    rmSync(join(users, name), { force: true });
    return false;
  });
}

/** Of the engine that a test command, perhaps another one, has started. A number that now is another process's does not count. */
function enginePid({ directory }) {
  try {
    const pid = Number(readFileSync(pidFileOf(directory), 'utf8'));
    return pid > 0 && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(pidFileOf(directory)) ? pid : undefined;
  } catch {
    return undefined; // No file, or no such process.
  }
}

async function stop(pid) {
  process.kill(pid, 'SIGTERM');
  for (const late = Date.now() + STOP_MS; Date.now() < late; await delay(POLL_MS)) if (!isAlive(pid)) return;
  process.kill(pid, 'SIGKILL');
}

/** The network of containers that had the host's stays mounted after the engine, and its directory could not be removed. */
async function unmount({ execRoot }) {
  const spaces = join(execRoot, 'netns');
  const names = existsSync(spaces) ? readdirSync(spaces) : [];
  // What is no mount is no harm.
  for (const name of names) await execute('umount', [join(spaces, name)]).catch(() => undefined);
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function logOf({ directory }) {
  return join(directory, 'dockerd.log');
}

function pidFileOf(directory) {
  return join(directory, 'dockerd.pid');
}
