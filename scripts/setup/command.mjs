import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Interrupted, StepError } from './console.mjs';
import { cacheDirectory, root } from './paths.mjs';

/**
 * Runs a command with its whole output in a log file. Resolves with the log's path; throws StepError when the command
 * fails or is not there. Ctrl-C and TERM end the command, and Interrupted is thrown once it has ended.
 */
export async function run(command, args, { title, env = process.env, cwd = root, hint }) {
  mkdirSync(cacheDirectory, { recursive: true });
  const log = join(cacheDirectory, `${title.replaceAll(/\W+/g, '-')}.log`);
  const file = openSync(log, 'w');
  let ended;
  try {
    ended = await spawned(command, args, { cwd, env, stdio: ['ignore', file, file] });
  } finally {
    closeSync(file);
  }
  if (ended.problem) throw new StepError(`${title}: ${command} could not be started`, { hint, cause: ended.problem });
  if (ended.code !== 0) throw new StepError(`${title} ${describe(ended)}`, { log, hint });
  return log;
}

/** Runs a command whose output the person reads as it comes. Resolves with its exit code; 1 for one that was killed. */
export async function runVisible(command, args, { env = process.env, cwd = root } = {}) {
  const ended = await spawned(command, args, { cwd, env, stdio: ['ignore', 'inherit', 'inherit'] });
  if (ended.problem)
    throw new StepError(`${command} could not be started: ${ended.problem.message}`, { cause: ended.problem });
  return ended.code ?? 1;
}

export function readLog(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    return `(the log ${path} cannot be read: ${error.message})`;
  }
}

async function spawned(command, args, options) {
  const ended = await new Promise((resolve) => {
    const child = spawn(command, args, options);
    let interrupted;
    const forward = (signal) => {
      interrupted ??= signal;
      child.kill(signal);
    };
    process.on('SIGINT', forward);
    process.on('SIGTERM', forward);
    const done = (result) => {
      process.off('SIGINT', forward);
      process.off('SIGTERM', forward);
      resolve({ ...result, interrupted });
    };
    child.once('error', (problem) => done({ problem }));
    child.once('exit', (code, signal) => done({ code, signal }));
  });
  if (ended.interrupted) throw new Interrupted(ended.interrupted);
  return ended;
}

function describe({ code, signal }) {
  return signal ? `was ended by ${signal}` : `failed (exit code ${code})`;
}
