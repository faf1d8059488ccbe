import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, vi } from 'vitest';
import { TestRepository } from '../git-repository.ts';
import { cgroupsOfRunners, removeCgroups } from '../survivors.ts';
import { tempDir } from '../temp-dir.ts';
import { Api } from './api.ts';
import { ensureBuilt, runProgram, startProgram, type Ended, type RunningProgram } from './program.ts';
import { killProcessesWith, processesWith } from './survivors.ts';

// Real programs on a machine that may have other things to do.
vi.setConfig({ testTimeout: 180_000 });

export interface WorldOptions {
  /** Files of the one git repository, named `main` in the project. */
  files: Readonly<Record<string, string>>;
  /** Further keys of project 1 in `server.yaml`: templates, inventories, keys, variable_groups. */
  project: Readonly<Record<string, unknown>>;
  /** Where the server finds the repository: keys for `repositories`. @default its file:// URL */
  serve?: (repository: TestRepository) => Promise<Readonly<Record<string, unknown>>>;
  /** Further keys of the `runner` section. */
  runner?: Readonly<Record<string, unknown>>;
  /** PATH of the runner instead of ours. */
  runnerPath?: string;
}

/** A server and a runner in one temporary directory, ended and removed with the test whatever happens. */
export interface World {
  readonly directory: string;
  /** Where scripts may leave files: OUTPUT_DIRECTORY in their environment. */
  readonly output: string;
  /** In the environment of every process of every task, so that survivors can be found. */
  readonly mark: string;
  /** Hash of the commit with the files. */
  readonly commit: string;
  readonly api: Api;
  startServer(): Promise<RunningProgram>;
  /** Registers the runner; the first `startRunner` does so by itself. */
  register(): void;
  /** `log` is where its output goes, when that is not in `directory`. */
  startRunner(env?: Readonly<Record<string, string>>, log?: string): RunningProgram;
  /** Waits until nothing of any task is left, no process and no cgroup, and fails when something stays. */
  expectNoSurvivors(): Promise<void>;
  /** Waits for a program to end. */
  end(program: RunningProgram, timeoutMs?: number): Promise<Ended>;
}

export async function createWorld(options: WorldOptions): Promise<World> {
  ensureBuilt();
  const directory = tempDir('semaphore-e2e-');
  const mark = `e2e-${randomBytes(8).toString('hex')}`;
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const token = randomBytes(16).toString('hex');
  const registrationToken = randomBytes(16).toString('hex');
  const repository = new TestRepository(join(directory, 'repository'));
  const commit = repository.commit(options.files);
  const served = (await options.serve?.(repository)) ?? { git_url: repository.url };
  const home = join(directory, 'home');
  mkdirSync(home);
  const output = join(directory, 'output');
  mkdirSync(output);

  const serverFile = join(directory, 'server.yaml');
  const server = {
    listen: `127.0.0.1:${port}`,
    api_tokens: [{ name: 'test', token }],
    runners: { registration_token: registrationToken },
    projects: [{ id: 1, name: 'Test', repositories: [{ name: 'main', ...served }], ...options.project }],
  };
  writeFileSync(serverFile, JSON.stringify(server)); // JSON is YAML.

  const runnerFile = join(directory, 'runner.json');
  const { max_parallel_tasks: parallel = 4, ...runnerKeys } = options.runner ?? {};
  const runner = {
    web_host: url,
    tmp_path: join(directory, 'work'),
    env_vars: { TEST_MARK: mark, OUTPUT_DIRECTORY: output },
    runner: { name: 'test', max_parallel_tasks: parallel, token_file: join(directory, 'runner.token'), ...runnerKeys },
  };
  writeFileSync(runnerFile, JSON.stringify(runner));

  const path = process.env.PATH ?? '/usr/bin:/bin';
  const env = {
    PATH: path,
    HOME: home,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_SYSTEM: '/dev/null',
  };
  const runnerEnv = { ...env, PATH: options.runnerPath ?? path };
  const programs: RunningProgram[] = [];
  const start = (name: string, args: string[], environment: Readonly<Record<string, string>>, log?: string) => {
    const own = join(directory, `${name}.log`);
    const program = startProgram(args, { cwd: directory, env: environment, log: log ?? own });
    programs.push(program);
    return program;
  };

  onTestFinished(async ({ task }) => {
    if (task.result?.state === 'fail') printLogs(programs);
    for (const { child } of programs) child.kill('SIGKILL');
    await Promise.all(programs.map(({ ended }) => ended));
    killProcessesWith(mark);
    removeCgroups(cgroupsOfRunners(join(directory, 'work')));
  });

  const api = new Api(url, token);
  let registered = false;
  const register = () => {
    const args = ['runner', 'register', '--stdin-registration-token', '--config', runnerFile];
    const { code, stdout, stderr } = runProgram(args, {
      cwd: directory,
      env: runnerEnv,
      input: `${registrationToken}\n`,
    });
    if (code !== 0) throw new Error(`the registration ended with ${code}:\n${stdout}${stderr}`);
    registered = true;
  };
  return {
    directory,
    output,
    mark,
    commit,
    api,
    register,
    async startServer() {
      const program = start('server', ['server', '--config', serverFile], env);
      const deadline = Date.now() + 20_000;
      while (!(await api.answers())) {
        if (program.child.exitCode !== null || Date.now() > deadline)
          throw new Error(`the server did not start:\n${program.output()}`);
        await delay(30);
      }
      return program;
    },
    startRunner(more = {}, log) {
      if (!registered) register();
      return start('runner', ['runner', 'start', '--config', runnerFile], { ...runnerEnv, ...more }, log);
    },
    async expectNoSurvivors() {
      const left = () => [...processesWith(mark), ...cgroupsOfRunners(join(directory, 'work'))];
      await expect.poll(left, { timeout: 20_000 }).toEqual([]);
    },
    async end(program, timeoutMs = 30_000) {
      const timer = new AbortController();
      const late = delay(timeoutMs, undefined, { signal: timer.signal }).then(() => {
        throw new Error(`still running after ${timeoutMs} ms:\n${program.output()}`);
      });
      try {
        return await Promise.race([program.ended, late]);
      } finally {
        timer.abort();
        late.catch(() => {}); // Aborted on purpose.
      }
    },
  };
}

/** What server and runner said, for the reader of a failed test. */
function printLogs(programs: readonly RunningProgram[]): void {
  for (const program of programs) {
    process.stderr.write(`--- semaphore ${program.child.spawnargs.slice(2).join(' ')}\n${program.output()}\n`);
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
