import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';

/** The engine that `npm test` starts where none answers: here a second one beside that of the machine, without a network. */

const scripts = join(import.meta.dirname, '../../scripts/setup');
const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
const canStart = isRoot && needs('dockerd') && needs('docker') && needs('unshare');

interface Place {
  directory: string;
  socket: string;
  execRoot: string;
  flags: string[];
}

function newPlace(flags: string[] = []): Place {
  const directory = tempDir('semaphore-engine-');
  const place = {
    directory,
    socket: join(directory, 'e.sock'),
    execRoot: join(directory, 'run'),
    flags: ['--bridge=none', '--iptables=false', ...flags],
  };
  onTestFinished(() => {
    const pid = pidIn(place);
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  });
  return place;
}

function pidIn({ directory }: Place): number | undefined {
  const file = join(directory, 'dockerd.pid');
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) : undefined;
}

/** A test command: opens the engine, says so, and closes it when its standard input ends. */
class Command {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly ended: Promise<number | null>;

  constructor(place: Place) {
    const script = `
      const { openEngine } = await import(${JSON.stringify(pathToFileURL(join(scripts, 'docker-engine.mjs')).href)});
      try {
        const engine = await openEngine(${JSON.stringify(place)});
        console.log(engine.text);
        for await (const _ of process.stdin) ;
        console.log(JSON.stringify(await engine.close()));
      } catch (error) { console.log(error.message + '; ' + error.log); }`;
    // In a network of its own: an engine without a bridge removes the bridge docker0, which is that of the machine's engine.
    const child = spawn('unshare', ['--net', process.execPath, '--input-type=module', '-e', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.ended = new Promise((resolve) => child.once('close', resolve));
  }

  async line(): Promise<string> {
    const { value } = await this.#lines.next();
    return String(value);
  }

  async close(): Promise<unknown> {
    this.#child.stdin?.end();
    const left: unknown = JSON.parse(await this.line());
    await this.ended;
    return left;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }
}

function docker(place: Place, ...args: string[]): string {
  const { stdout, stderr, status } = spawnSync('docker', ['--host', `unix://${place.socket}`, ...args], {
    encoding: 'utf8',
    input: '',
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout.trim();
}

function emptyArchive(): string {
  const directory = tempDir();
  execFileSync('tar', ['-C', directory, '-cf', join(directory, 'empty.tar'), '--files-from', '/dev/null']);
  return join(directory, 'empty.tar');
}

describe.runIf(canStart)('the engine of npm test', () => {
  it('is started, used by all that come, and ended by the last one, which says what was left', async () => {
    const place = newPlace();
    const first = new Command(place);
    expect(await first.line()).toBe(`our own, log in ${join(place.directory, 'dockerd.log')}`);
    const second = new Command(place);
    expect(await second.line()).toContain('our own');
    docker(place, 'volume', 'create', 'forgotten');
    docker(place, 'import', emptyArchive(), 'forgotten-image:latest');
    docker(place, 'import', emptyArchive(), 'semaphore-test/debian:latest');
    expect(await first.close()).toEqual([]);
    expect(docker(place, 'volume', 'ls', '--quiet')).toBe('forgotten');
    const pid = pidIn(place);
    expect(await second.close()).toEqual(['forgotten', 'forgotten-image:latest']);
    expect(pidIn(place)).toBeUndefined();
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  it('of a test command that was killed is swept and ended by the next one', async () => {
    const place = newPlace();
    const killed = new Command(place);
    await killed.line();
    docker(place, 'volume', 'create', 'forgotten');
    await killed.kill();
    expect(pidIn(place)).toBeDefined();
    const next = new Command(place);
    expect(await next.line()).toContain('our own');
    expect(docker(place, 'volume', 'ls', '--quiet')).toBe('');
    expect(await next.close()).toEqual([]);
    expect(pidIn(place)).toBeUndefined();
  });

  it('that cannot start is told with its log', async () => {
    const place = newPlace(['--no-such-flag']);
    const log = join(place.directory, 'dockerd.log');
    expect(await new Command(place).line()).toMatch(/^dockerd did not start \(exit code \d+\); .*dockerd\.log$/);
    expect(readFileSync(log, 'utf8')).toContain('no-such-flag');
  });
});
