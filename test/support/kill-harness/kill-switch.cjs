'use strict';
/**
 * Loaded into the runner before the program (`NODE_OPTIONS=--require …`): numbers what the runner does to the world outside
 * of itself, and ends the runner with SIGKILL at one of these points, exactly. The program knows nothing of it.
 *
 * A point is a label, the how many-th time it is met, and a moment: `before` it is done, `half` of it is done (half of a
 * line is written, half of a directory is removed), or `after` it.
 *
 *     KILL_ROOTS   directories, separated by ":"; what is done elsewhere has no points
 *     KILL_AT      {"label", "nth", "moment", "once"?}; a label may end with "*"; `once`: count only after this other label
 *     KILL_TRACE   file to which the label of every point is appended
 */
const { subscribe } = require('node:diagnostics_channel');
const fs = require('node:fs');
const childProcess = require('node:child_process');
const nodePath = require('node:path');

const roots = (process.env.KILL_ROOTS ?? '').split(':').filter(Boolean);
const at = process.env.KILL_AT ? JSON.parse(process.env.KILL_AT) : undefined;
const trace = process.env.KILL_TRACE;
// What this program starts is not to be watched.
for (const name of ['KILL_ROOTS', 'KILL_AT', 'KILL_TRACE', 'NODE_OPTIONS']) delete process.env[name];

const real = { ...fs };
const pathOf = new Map();
let depth = 0;
let met = 0;
let counting = at?.once === undefined;
const isMeant = (label, wanted) =>
  wanted !== undefined && (wanted.endsWith('*') ? label.startsWith(wanted.slice(0, -1)) : label === wanted);

/** The moment at which to die at this point, if it is the one. */
function enter(label) {
  if (trace) real.appendFileSync(trace, `${label}\n`);
  if (at === undefined) return undefined;
  if (counting && isMeant(label, at.label)) {
    met += 1;
    if (met === at.nth) return at.moment;
  }
  if (isMeant(label, at.once)) counting = true;
  return undefined;
}

function die() {
  process.kill(process.pid, 'SIGKILL');
  for (;;);
}

const isWatched = (path) => typeof path === 'string' && roots.some((root) => path.startsWith(root));

/** Names without what is random in them. */
function nameOf(path) {
  return nodePath
    .basename(path)
    .replace(/[0-9a-f]{8,}/g, '*')
    .replace(/^\d+$/, 'job')
    .replace(/^task_\d+$/, 'task')
    .replace(/^(\.removing-).*/, '$1*');
}

/** Of an event: what it is about. */
function labelOfWrite(path, data) {
  const name = nameOf(path);
  if (!name.startsWith('steps.jsonl')) return `write ${name}`;
  try {
    const event = JSON.parse(String(data));
    return [
      'event',
      event.type,
      event.key && event.type !== 'created' && event.type !== 'resealed' ? event.key : event.status,
    ]
      .filter(Boolean)
      .join(' ');
  } catch {
    return 'event ?';
  }
}

/** Wraps a function of `target`; `label` gives the point or undefined, `half` does half of it. */
function watch(target, name, label, half) {
  const original = target[name];
  target[name] = function (...args) {
    const what = depth > 0 ? undefined : label(...args);
    if (what === undefined) return original.apply(this, args);
    const moment = enter(what);
    if (moment === 'before') die();
    if (moment === 'half') {
      half?.(...args);
      die();
    }
    depth += 1;
    let result;
    try {
      result = original.apply(this, args);
    } finally {
      depth -= 1;
    }
    if (moment !== 'after') return result;
    if (result && typeof result.then === 'function') return result.finally(die);
    return die();
  };
}

const halfOf = (data) => {
  const bytes = Buffer.from(data);
  return bytes.subarray(0, Math.ceil(bytes.length / 2));
};

/** What may be gone of a directory when its removal is cut off: no order of its files is promised. */
function removeHalf(path) {
  if (!real.existsSync(path) || !real.statSync(path).isDirectory()) return;
  const names = real.readdirSync(path).sort();
  const middle = Math.ceil(names.length / 2);
  const gone = at.part === 'second' ? names.slice(middle) : names.slice(0, middle);
  for (const name of gone) real.rmSync(nodePath.join(path, name), { recursive: true, force: true });
}

const openSync = fs.openSync;
fs.openSync = (path, ...rest) => {
  const fd = openSync(path, ...rest);
  if (isWatched(path)) pathOf.set(fd, path);
  else pathOf.delete(fd);
  return fd;
};

watch(
  fs,
  'writeSync',
  (fd, data) => (pathOf.has(fd) && !pathOf.get(fd).endsWith('.tmp') ? labelOfWrite(pathOf.get(fd), data) : undefined),
  (fd, data) => real.writeSync(fd, halfOf(data)),
);
watch(
  fs,
  'writeFileSync',
  (path, data) => (isWatched(path) && !path.endsWith('.tmp') ? labelOfWrite(path, data) : undefined),
  (path, data) => real.writeFileSync(path, halfOf(data)),
);
watch(fs, 'renameSync', (from, to) => (isWatched(to) ? `rename ${nameOf(to)}` : undefined));
watch(fs, 'mkdirSync', (path) => (isWatched(path) ? `mkdir ${nameOf(path)}` : undefined));
watch(fs, 'rmSync', (path) => (isWatched(path) ? `rm ${nameOf(path)}` : undefined), removeHalf);
watch(fs.promises, 'rename', (from, to) => (isWatched(to) ? `rename ${nameOf(to)}` : undefined));
watch(fs.promises, 'mkdir', (path) => (isWatched(path) ? `mkdir ${nameOf(path)}` : undefined));
watch(fs.promises, 'rm', (path) => (isWatched(path) ? `rm ${nameOf(path)}` : undefined), removeHalf);
watch(
  fs.promises,
  'writeFile',
  (path) => (isWatched(path) ? `write ${nameOf(path)}` : undefined),
  (path, data) => real.writeFileSync(path, halfOf(data)),
);
watch(
  childProcess,
  'spawn',
  (command, args) =>
    `spawn ${nodePath.basename(command)}${command === '/bin/sh' ? ` ${nodePath.basename(args[3] ?? '')}` : ''}`,
);

// An answer is met when its head has come: the server has done what was asked, and the runner does not know yet.
subscribe('http.client.request.start', ({ request }) => {
  const moment = enter(`${request.method} sent`);
  if (moment !== undefined) setImmediate(die);
});
subscribe('http.client.response.finish', ({ request }) => {
  if (enter(`${request.method} answered`) !== undefined) die();
});
