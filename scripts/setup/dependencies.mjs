import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from './command.mjs';
import { root } from './paths.mjs';

const lockFile = join(root, 'package-lock.json');
const stamp = join(root, 'node_modules', '.cache', 'semaphore-setup', 'package-lock.sha256');

/** Installs the npm packages of package-lock.json, unless they are there. A good install is never touched. */
export async function installDependencies() {
  const wanted = createHash('sha256').update(readFileSync(lockFile)).digest('hex');
  if (readText(stamp) === wanted) return 'up to date';
  if (!isInstalled()) {
    const [command, ...args] = npm();
    // `--include`: an inherited NODE_ENV=production must not leave out what the build and the tests need.
    const options = [
      'ci',
      '--include=dev',
      '--include=optional',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
    ];
    await run(command, [...args, ...options], {
      title: 'npm ci',
      hint: 'The packages of package-lock.json could not be installed. Check the network and the npm configuration, then try again.',
    });
    writeStamp(wanted);
    return 'installed (npm ci)';
  }
  writeStamp(wanted);
  return 'up to date';
}

/** npm that started this script if it did, else the one on PATH. */
export function npm() {
  const path = process.env.npm_execpath;
  if (path && /npm-cli\.c?js$/.test(path)) return [process.execPath, path];
  return [process.platform === 'win32' ? 'npm.cmd' : 'npm'];
}

/** Compares what npm noted about `node_modules` with what the lock file asks for; packages of other platforms may be absent. */
function isInstalled() {
  const actual = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages;
  const wanted = readJson(lockFile)?.packages;
  if (!actual || !wanted) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const found = actual[path];
    if (!found) return entry.optional === true;
    return found.version === entry.version && existsSync(join(root, path, 'package.json'));
  });
}

function writeStamp(content) {
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, content);
}

function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // Not there yet.
  }
}

function readJson(path) {
  const text = readText(path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Half written by an install that was killed: installed anew.
  }
}
