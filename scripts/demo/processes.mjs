// The demo's server and runner. Each is the leader of a process group of its own, so that Ctrl-C reaches the demo alone, and
// the demo decides in which order they end.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { StepError } from '../setup/console.mjs';
import { executable } from '../setup/paths.mjs';

const STOP_MS = 8_000;

export class Processes {
  #stage;
  #running = [];
  #stopped = false;

  constructor(stage) {
    this.#stage = stage;
  }

  /** Starts `semaphore` with its output in a log file of the stage; the first started is the last stopped. */
  start(name, args, input = '') {
    if (this.#stopped) throw new Error(`too late to start the ${name}`);
    const log = join(this.#stage.directory, `${name}.log`);
    const file = openSync(log, 'w');
    const child = spawn(process.execPath, [executable, ...args], {
      cwd: this.#stage.directory,
      env: this.#stage.env,
      stdio: ['pipe', file, file],
      detached: true,
    });
    closeSync(file);
    child.stdin.on('error', () => {}); // It may end without reading; its exit code tells.
    child.stdin.end(input);
    const ended = new Promise((resolve) => {
      child.once('error', resolve);
      child.once('close', resolve);
    });
    this.#running.unshift({ name, child, log, ended });
    return { child, log, ended };
  }

  /** Runs `semaphore` to its end; throws StepError with its words when it fails. */
  async run(name, args, input) {
    const { child, log, ended } = this.start(name, args, input);
    await ended;
    this.#running = this.#running.filter((entry) => entry.child !== child);
    if (child.exitCode !== 0)
      throw new StepError(`${name} failed (${child.signalCode ?? child.exitCode})`, {
        output: readFileSync(log, 'utf8'),
      });
  }

  /** Throws when a process that should be running is not. */
  check() {
    const gone = this.#running.find(
      ({ child }) => child.exitCode !== null || child.signalCode !== null || child.pid === undefined,
    );
    if (gone) throw new StepError(`the ${gone.name} ended by itself (${gone.child.signalCode ?? gone.child.exitCode})`);
  }

  /** What server and runner said, for a demo that went wrong; their log files go with the stage. */
  logs() {
    return this.#running.map(({ name, log }) => ({ name, text: readFileSync(log, 'utf8') }));
  }

  /** Ends all of them, the runner first. With `now`, the runner does not wait for its tasks: the second signal says so. */
  async stop({ now = false } = {}) {
    this.#stopped = true;
    for (const { child, ended } of this.#running.splice(0)) {
      if (child.pid === undefined) continue;
      child.kill('SIGTERM');
      if (now) {
        await Promise.race([ended, delay(200)]);
        child.kill('SIGTERM');
      }
      const timeout = new AbortController();
      await Promise.race([ended, delay(STOP_MS, undefined, { signal: timeout.signal }).catch(() => {})]);
      timeout.abort();
      killGroup(child.pid);
    }
  }
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error; // Nothing of the group is left: as it should be.
  }
}
