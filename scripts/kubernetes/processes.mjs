// The processes of a cluster: started with their output in a log file each, and ended by their own pid.
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { StepError } from '../setup/console.mjs';

const STOP_MS = 20_000;
const POLL_MS = 200;

/** A set of processes with one life. */
export class Processes {
  #directory;
  #signal;
  #running = [];

  /** `signal` ends what is waited for, not the processes. */
  constructor(directory, signal) {
    this.#directory = directory;
    this.#signal = signal;
  }

  start(name, command, args) {
    const log = join(this.#directory, `${name}.log`);
    const file = openSync(log, 'w');
    // A session of its own: Ctrl-C is for the tests, which need the cluster to clean up.
    const child = spawn(command, args, { cwd: this.#directory, detached: true, stdio: ['ignore', file, file] });
    closeSync(file);
    const entry = { name, log, child, ended: undefined, done: undefined };
    entry.done = new Promise((resolve) => {
      const end = (text) => {
        entry.ended ??= text;
        resolve();
      };
      child.once('error', (error) => end(error.message));
      child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`));
    });
    this.#running.push(entry);
  }

  /** Asks again until `attempt` works. Throws StepError when it is too late, or a process has ended; the signal's reason. */
  async until(what, timeMs, attempt) {
    for (const late = Date.now() + timeMs; ; await delay(POLL_MS)) {
      this.#signal.throwIfAborted();
      const dead = this.#running.find(({ ended }) => ended !== undefined);
      if (dead) throw new StepError(`${dead.name} ended (${dead.ended})`, { log: dead.log });
      try {
        return await attempt();
      } catch (error) {
        if (Date.now() < late) continue;
        const { log } = this.#running.at(-1);
        throw new StepError(`${what}: ${error.message}`, { log, cause: error });
      }
    }
  }

  /** TERM, and KILL after a while; the last that was started first. */
  async stop() {
    for (const { child, done, ended } of this.#running.reverse()) {
      if (ended !== undefined) continue;
      child.kill('SIGTERM');
      const kill = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await done;
      clearTimeout(kill);
    }
    this.#running = [];
  }
}
