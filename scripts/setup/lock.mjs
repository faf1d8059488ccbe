// One set-up at a time in one checkout. The lock is a file made with `wx`; its owner touches it while it works, so a lock
// whose process is gone, or which nobody touched for a while (another machine on the same file system), is stale. A stale lock is
// removed only by who holds the breaker file: without it, two waiters could both see a stale lock, and the slower one would
// remove the lock that the faster one has just taken.
import { mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { paint, say } from './console.mjs';

const TOUCH_MS = 5_000;
const STALE_MS = 60_000;
const BREAKER_STALE_MS = 10_000;
const POLL_MS = 200;

/** Runs `work` while this process alone holds the lock file `path`. */
export async function withLock(path, work) {
  mkdirSync(dirname(path), { recursive: true });
  const mine = JSON.stringify({ pid: process.pid, host: hostname() });
  let told = false;
  while (!create(path, mine)) {
    if (isStale(path)) {
      removeStale(path);
    } else {
      if (!told) say(paint('dim', `  … another set-up is at work in this checkout (${owner(path)}); waiting for it`));
      told = true;
      await delay(POLL_MS);
    }
  }
  const touch = setInterval(() => touchFile(path), TOUCH_MS);
  touch.unref();
  const release = () => {
    // Not when somebody took the lock over while this process was suspended.
    if (read(path).pid === process.pid) rmSync(path, { force: true });
  };
  process.once('exit', release);
  try {
    return await work();
  } finally {
    clearInterval(touch);
    process.off('exit', release);
    release();
  }
}

function create(path, content) {
  try {
    writeFileSync(path, content, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function removeStale(path) {
  const breaker = `${path}.break`;
  if (!create(breaker, String(process.pid))) {
    if (ageOf(breaker) > BREAKER_STALE_MS) rmSync(breaker, { force: true });
    return;
  }
  try {
    if (isStale(path)) rmSync(path, { force: true });
  } finally {
    rmSync(breaker, { force: true });
  }
}

/** A lock that is being written (empty) or was just removed is not stale. */
function isStale(path) {
  const age = ageOf(path);
  if (age === undefined) return false;
  if (age > STALE_MS) return true;
  const { pid, host } = read(path);
  return pid !== undefined && host === hostname() && !isAlive(pid);
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function ageOf(path) {
  try {
    return Date.now() - statSync(path).mtimeMs;
  } catch {
    return undefined; // Gone: its owner has just finished.
  }
}

function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return {}; // Gone, or not written yet.
  }
}

function touchFile(path) {
  const now = new Date();
  try {
    utimesSync(path, now, now);
  } catch {
    // Somebody removed `.cache`; the work itself is not harmed.
  }
}

function owner(path) {
  const { pid } = read(path);
  return pid === undefined ? 'just started' : `process ${pid}`;
}
