import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { loadRunnerConfig } from '../../../src/config/index.ts';
import { systemClock, type Clock } from '../../../src/lib/index.ts';
import { runRunner } from '../../../src/runner/index.ts';
import { registrationToken, TestServer } from '../../server/support/test-server.ts';
import { eventually, recordingLogger, type LogLine } from '../runner.ts';
import { tempDir } from '../temp-dir.ts';
import { FaultProxy } from './proxy.ts';

/** Time in the hands of the test: it runs faster than ours, and even faster for a while. */
export class FastClock implements Clock {
  #factor: number;
  #now = Date.now();
  #readAt = performance.now();

  constructor(factor: number) {
    this.#factor = factor;
  }

  get factor(): number {
    return this.#factor;
  }

  /** From now on so many times as fast as ours. */
  set factor(factor: number) {
    this.now();
    this.#factor = factor;
  }

  /** Sets the wall clock back, or ahead. */
  shift(ms: number): void {
    this.#now += ms;
  }

  now(): number {
    const at = performance.now();
    this.#now += (at - this.#readAt) * this.#factor;
    this.#readAt = at;
    return Math.floor(this.#now);
  }

  random(): number {
    return Math.random();
  }

  /** Not by `now`: setting the wall clock changes no wait. */
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    for (let left = ms; left > 0;) {
      const began = performance.now();
      await systemClock.sleep(Math.min(5, left / this.#factor), signal);
      left -= (performance.now() - began) * this.#factor;
    }
  }
}

/**
 * The scripts of the stage. `talk` writes lines of which some are equal, one to standard error and the last without an end;
 * `wait` runs until it is stopped; `hold` writes half, waits for the file RELEASE, and writes the rest.
 */
const scripts = {
  'talk.sh': `#!/bin/bash
for ((i = 1; i <= 60; i++)); do echo "line $i"; echo same; ((i % 10)) || sleep 0.03; done
echo 'äöü "quoted" \\\\ back' >&2
printf 'no end'
`,
  'wait.sh': `#!/bin/bash
echo waiting
while :; do sleep 0.05; done
`,
  'hold.sh': `#!/bin/bash
for ((i = 1; i <= 30; i++)); do echo "line $i"; done
while ! [ -e "$RELEASE" ]; do echo tick >>"$RELEASE.ticks"; sleep 0.02; done
for ((i = 31; i <= 60; i++)); do echo "line $i"; done
`,
  'long-line.sh': `#!/bin/bash
printf 'begin %s end\\n' "$(head -c 30000 /dev/zero | tr '\\0' x)"
echo after
`,
  'flood.sh': `#!/bin/bash
echo started
while ! [ -e "$RELEASE" ]; do sleep 0.02; done
seq -f 'line %.0f of a flood that no memory has to hold' 200000
echo flooded >>"$RELEASE.ticks"
`,
};

type Script = keyof typeof scripts extends `${infer Name}.sh` ? Name : never;
const names: readonly Script[] = ['talk', 'wait', 'hold', 'long-line', 'flood'];

/** What each script writes, line by line. */
export const written: Readonly<Record<Exclude<Script, 'flood'>, readonly string[]>> = {
  talk: [
    ...Array.from({ length: 60 }, (_, index) => [`line ${index + 1}`, 'same']).flat(),
    'äöü "quoted" \\\\ back',
    'no end',
  ],
  wait: ['waiting'],
  hold: Array.from({ length: 60 }, (_, index) => `line ${index + 1}`),
  'long-line': [`begin ${'x'.repeat(30_000)} end`, 'after'],
};

export interface StageOptions {
  /** Further keys of the `runner` section. */
  runner?: Readonly<Record<string, unknown>>;
  /** How many times faster the runner's time goes than ours. @default 20 */
  speed?: number;
}

/** A runner under test. */
export interface StartedRunner {
  readonly ended: Promise<number>;
  readonly lines: LogLine[];
  drain(): void;
}

/** The embedded server, a proxy that can misbehave before it, and a registered runner that knows only the proxy. */
export class Stage {
  readonly server: TestServer;
  readonly proxy: FaultProxy;
  readonly directory: string;
  readonly token: string;
  readonly clock: FastClock;
  readonly #config: string;

  private constructor(server: TestServer, proxy: FaultProxy, directory: string, token: string, options: StageOptions) {
    this.server = server;
    this.proxy = proxy;
    this.directory = directory;
    this.token = token;
    this.clock = new FastClock(options.speed ?? 20);
    this.#config = join(directory, 'runner.json');
    const config = {
      web_host: proxy.url,
      tmp_path: join(directory, 'work'),
      env_vars: { RELEASE: this.release },
      runner: { token, max_parallel_tasks: 4, ...options.runner },
    };
    writeFileSync(this.#config, JSON.stringify(config), { mode: 0o600 });
  }

  static async open(options: StageOptions = {}): Promise<Stage> {
    const directory = tempDir('semaphore-faults-');
    // A directory of this machine is used as it is: git would only cost time here.
    const repository = join(directory, 'repository');
    mkdirSync(repository);
    for (const [name, text] of Object.entries(scripts)) writeFileSync(join(repository, name), text, { mode: 0o755 });
    const server = await TestServer.start({
      project: {
        repositories: [{ id: 1, name: 'scripts', git_url: repository }],
        templates: names.map((name, index) => ({
          id: index + 1,
          name,
          app: 'bash',
          playbook: `${name}.sh`,
          repository: 'scripts',
          allow_parallel_tasks: true,
        })),
      },
    });
    const proxy = await FaultProxy.start(() => server.url);
    return new Stage(server, proxy, directory, await register(server), options);
  }

  /** The script `hold` waits for this file. */
  get release(): string {
    return join(this.directory, 'release');
  }

  /** Starts the runner in this process; it is ended with the test. */
  async start(): Promise<StartedRunner> {
    const loaded = await loadRunnerConfig({
      configPath: this.#config,
      env: { PATH: process.env['PATH'] },
      cwd: this.directory,
    });
    // No wait of the transport's is under the clock.
    Object.assign(loaded.config.runner.connection, { requestTimeoutMs: 500 });
    const drain = new AbortController();
    const cancel = new AbortController();
    const { logger, lines } = recordingLogger();
    const ended = runRunner({
      loaded,
      logger,
      stdout: () => undefined,
      clock: this.clock,
      shutdown: { drain: drain.signal, cancel: cancel.signal, leave: new AbortController().signal },
    });
    onTestFinished(async () => {
      drain.abort('SIGTERM');
      cancel.abort('SIGTERM');
      await ended.catch(() => undefined);
    });
    return { ended, lines, drain: () => drain.abort('SIGTERM') };
  }

  async task(script: Script): Promise<number> {
    return await this.server.createTask({ template_id: names.indexOf(script) + 1 });
  }

  /** So much time of the runner passes, quickly. */
  async pass(ms: number): Promise<void> {
    const usual = this.clock.factor;
    this.clock.factor = Math.max(usual, ms / 800);
    await this.clock.sleep(ms);
    this.clock.factor = usual;
  }

  /** Lets `hold` go on. */
  letGo(): void {
    writeFileSync(this.release, '');
  }

  /** True when `hold` waits, or `flood` has written everything, whatever the server knows. */
  holds(): boolean {
    return existsSync(`${this.release}.ticks`);
  }

  /** Waits until the server has a final status of the task; returns it. */
  async finished(id: number, timeoutMs = 30_000): Promise<string> {
    return await this.until(id, (status) => ['success', 'error', 'stopped'].includes(status), timeoutMs);
  }

  async until(id: number, wanted: (status: string) => boolean, timeoutMs = 30_000): Promise<string> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const status = await this.server.status(id);
      if (wanted(status)) return status;
      if (Date.now() > deadline)
        throw new Error(`task ${id} is ${status}; its log: ${(await this.log(id)).join(' | ')}`);
      await systemClock.sleep(10);
    }
  }

  /** Waits until the log that the server has of a task contains a line. */
  async line(id: number, text: string): Promise<void> {
    await this.until(id, () => true);
    const deadline = Date.now() + 30_000;
    while (!(await this.log(id)).includes(text)) {
      if (Date.now() > deadline)
        throw new Error(`"${text}" did not arrive; the log: ${(await this.log(id)).join(' | ')}`);
      await systemClock.sleep(10);
    }
  }

  /** What the server has of the script's output: its log without the lines of server and runner. */
  async log(id: number): Promise<string[]> {
    const own = /^(Task #\d+ is assigned|Preparing: )/;
    return (await this.server.log(id)).filter((line) => !own.test(line));
  }

  /**
   * The task has ended as `status`, the server has what the script wrote, in order and once, and heard one final status; the
   * runner has nothing left of it.
   */
  async expectComplete(
    id: number,
    status: string,
    script: keyof typeof written,
    more: readonly string[] = [],
  ): Promise<void> {
    expect(await this.finished(id)).toBe(status);
    expect(await this.log(id)).toEqual([...written[script], ...more]);
    await eventually(() => this.jobsLeft().length === 0, 20_000);
    expect(this.finalReports(id)).toBe(1);
  }

  /** How often the server took a final status of the task (and did not say that it has given the task up). */
  finalReports(id: number): number {
    const final = new RegExp(`"ID":${id},[^]*?"Status":"(success|error|stopped)"`);
    return this.proxy.requests
      .filter(({ method, body }) => method === 'PUT' && jobsOf(body).some((job) => final.test(JSON.stringify(job))))
      .flatMap(({ answers }) => answers)
      .filter((answer) => answer.status === 200 && !terminated(answer.body).includes(id)).length;
  }

  /** Ids of the job directories on the runner's disk. */
  jobsLeft(): string[] {
    const work = join(this.directory, 'work');
    const state = existsSync(work) ? readdirSync(work).find((name) => name.startsWith('.runner-')) : undefined;
    const jobs = state === undefined ? '' : join(work, state, 'jobs');
    return existsSync(jobs) ? readdirSync(jobs) : [];
  }

  /** The raw log of a task that is still on the runner's disk. */
  keptLog(id: number): string[] {
    const work = join(this.directory, 'work');
    const state = readdirSync(work).find((name) => name.startsWith('.runner-')) ?? '';
    return readFileSync(join(work, state, 'jobs', String(id), 'output.log'), 'utf8').split('\n');
  }
}

function jobsOf(body: string): unknown[] {
  return (JSON.parse(body) as { Jobs: unknown[] | null }).Jobs ?? [];
}

function terminated(body: Buffer): number[] {
  return (JSON.parse(body.toString()) as { terminated_jobs?: number[] }).terminated_jobs ?? [];
}

async function register(server: TestServer): Promise<string> {
  const response = await fetch(`${server.url}/api/internal/runners`, {
    method: 'POST',
    body: JSON.stringify({ registration_token: registrationToken, max_parallel_tasks: 4, enabled: true }),
  });
  return ((await response.json()) as { token: string }).token;
}
