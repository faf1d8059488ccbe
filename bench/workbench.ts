import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { simpleGit } from 'simple-git';

export const program = join(process.cwd(), 'bin', 'semaphore');

/** A private directory for one suite, with the processes that run in it. */
export class Workbench {
  readonly directory = mkdtempSync(join(tmpdir(), 'semaphore-bench-'));
  readonly #children: ChildProcess[] = [];

  /** Makes a git repository with these executable files; returns its file:// URL. */
  async repository(files: Readonly<Record<string, string>>): Promise<string> {
    const path = join(this.directory, 'repository');
    mkdirSync(path);
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(path, name), content);
      chmodSync(join(path, name), 0o755);
    }
    const git = simpleGit({ baseDir: path, config: ['user.name=bench', 'user.email=bench@localhost'] });
    await git.init(['-q', '-b', 'main']);
    await git.add('.');
    await git.commit('Scripts of the benchmark');
    return `file://${path}`;
  }

  write(name: string, content: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, content);
    return path;
  }

  /** Starts the program; what it prints is shown when it ends badly. */
  start(args: readonly string[]): ChildProcess {
    return this.node([program, ...args]);
  }

  /** Starts a Node.js process. */
  node(args: readonly string[]): ChildProcess {
    const env = { PATH: process.env['PATH'] ?? '', HOME: this.directory, GIT_CONFIG_GLOBAL: '/dev/null' };
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)));
    child.on('exit', (code) => {
      if (code !== 0 && code !== null) console.error(`node ${args.join(' ')} ended with ${code}:\n${said}`);
    });
    this.#children.push(child);
    return child;
  }

  /** Starts a runner of the server at `url` that has the token `bench-token` or gets one by registering. */
  runner(url: string, more: Readonly<Record<string, unknown>> = {}): ChildProcess {
    const config = {
      web_host: url,
      tmp_path: join(this.directory, 'work'),
      runner: { token: 'bench-token', ...more },
    };
    return this.start(['runner', 'start', '--config', this.write('runner.json', JSON.stringify(config))]);
  }

  async close(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const killed = setTimeout(() => child.kill('SIGKILL'), 5000);
      await ended;
      clearTimeout(killed);
    }
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** Waits until `check` holds; throws after `timeoutMs`. */
export async function until(
  what: string,
  check: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
  pauseMs = 5,
): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await sleep(pauseMs);
  }
}

/** Greatest and present resident memory of a process, megabytes. */
export function memoryOf(child: ChildProcess): { peak: number; now: number } {
  const status = readFileSync(`/proc/${child.pid}/status`, 'latin1');
  const field = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
  return { peak: field('VmHWM'), now: field('VmRSS') };
}

/** Processor time of a process so far, seconds. */
export function processorSeconds(child: ChildProcess): number {
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
