import { join } from 'node:path';
import type { RunnerConfig } from '../../src/config/index.ts';
import { executorSchema } from '../../src/config/executor-schema.ts';
import { resolveExecutor } from '../../src/config/resolve-executor.ts';
import { decodeRunnerState, type AccessKey, type JobData } from '../../src/protocol/ui/index.ts';
import { createLocalPlace } from '../../src/executors/index.ts';
import { runTask, type TaskOutcome } from '../../src/tasks/index.ts';
import { Workspace } from '../../src/workspace/index.ts';
import { tempDir } from '../support/temp-dir.ts';
import { testTaskHost, type TestTaskHost } from '../support/task-host.ts';

type Wire = Record<string, unknown>;

/** Parts of a job as they are on the wire; what is left out has a usable value. */
export interface JobParts {
  job?: Wire;
  task?: Wire;
  template?: Wire;
  inventory?: Wire;
  repository?: Wire;
  environment?: Wire;
  keys?: Record<number, Wire>;
}

export interface Delivered {
  job: JobData;
  keys: ReadonlyMap<number, AccessKey>;
}

/** A job as the protocol room delivers it. */
export function delivered(parts: JobParts = {}): Delivered {
  const state = decodeRunnerState({
    CurrentJobs: null,
    new_jobs: [
      {
        Username: 'alice',
        IncomingVersion: null,
        Alias: '',
        inventory_repository: null,
        ...parts.job,
        task: { id: 4711, template_id: 33, project_id: 7, status: 'starting', playbook: '', ...parts.task },
        template: {
          id: 33,
          project_id: 7,
          repository_id: 3,
          name: 'Template',
          playbook: 'run.sh',
          app: 'bash',
          ...parts.template,
        },
        inventory: {
          id: 21,
          name: 'local',
          project_id: 7,
          type: 'static',
          inventory: 'localhost ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n',
          ...parts.inventory,
        },
        repository: {
          id: 3,
          name: 'playbooks',
          project_id: 7,
          git_url: '/nowhere',
          git_branch: 'main',
          ssh_key_id: 0,
          ...parts.repository,
        },
        environment: { id: 4, name: 'empty', project_id: 7, json: '{}', env: null, ...parts.environment },
      },
    ],
    access_keys: Object.fromEntries(
      Object.entries(parts.keys ?? {}).map(([id, key]) => [id, { id: Number(id), name: `key ${id}`, ...key }]),
    ),
  });
  const [job] = state.newJobs;
  if (!job) throw new Error(`the job of the test is malformed: ${state.problems.join('; ')}`);
  return { job, keys: state.accessKeys };
}

/** A configuration with what the tasks room reads of it. */
export function configuration(tmpPath: string, changes: Partial<RunnerConfig> = {}): RunnerConfig {
  return {
    webHost: 'http://semaphore.test',
    tmpPath,
    homeDirMode: 'template_dir',
    gitAttempts: 1,
    ssh: { configPath: undefined, knownHostsFile: undefined, strictHostKeyChecking: 'no' },
    apps: {},
    envVars: { GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' },
    forwardedEnvVars: [],
    process: { user: undefined, uid: undefined, gid: undefined, chroot: undefined, noNewPrivs: false },
    runner: {
      registrationToken: undefined,
      registrationTokenFile: undefined,
      token: undefined,
      tokenFile: undefined,
      tokenStore: 'file',
      tokenCredential: undefined,
      privateKeyFile: undefined,
      oneOff: false,
      enabled: true,
      webhook: undefined,
      name: undefined,
      tags: [],
      maxParallelTasks: 1,
      projectId: undefined,
      checkIntervalSeconds: 1,
      connection: {
        serverCaCertFile: undefined,
        skipTlsVerify: false,
        clientCertificate: undefined,
        requestTimeoutMs: 1000,
      },
      executor: resolveExecutor(executorSchema.parse({}), (value) => value),
      stateDir: undefined,
      stopGraceMs: 2000,
      taskTimeoutMs: undefined,
      noOutputTimeoutMs: undefined,
      drainTimeoutMs: undefined,
      cgroup: 'off',
      limits: { cpu: undefined, memoryBytes: undefined, processes: undefined },
      log: { maxLineBytes: 65_536, maxRequestBytes: 1_000_000, flushIntervalMs: 250 },
      masking: { enabled: true, minLength: 4 },
      cleanup: { schedule: '0 3 * * *', maxAgeMs: undefined, maxBytes: undefined },
    },
    ...changes,
  };
}

/** One runner's work root, in which tasks are run as the runner does it. */
export interface TaskRoom {
  root: string;
  /** `P` of project 7. */
  project: string;
  workspace: Workspace;
  run(parts: JobParts, options?: RunOptions): Promise<TaskRun>;
}

export interface RunOptions {
  config?: Partial<RunnerConfig>;
  hostEnv?: Record<string, string>;
  host?: TestTaskHost;
  workspace?: Workspace;
}

export interface TaskRun {
  outcome: TaskOutcome;
  lines: string[];
  task: TestTaskHost;
}

export function taskRoom(): TaskRoom {
  const root = tempDir('sem-');
  const workspace = new Workspace({ root });
  return {
    root,
    project: join(root, 'project_7'),
    workspace,
    run: async (parts, options = {}) => {
      const task = options.host ?? (await testTaskHost());
      const config = configuration(root, options.config);
      const hostEnv = { PATH: process.env['PATH'] ?? '', HOME: root, ...options.hostEnv };
      const openPlace = createLocalPlace({ config, workspace: options.workspace ?? workspace, hostEnv });
      const outcome = await runTask({ ...delivered(parts), config, host: task.host, openPlace });
      return { outcome, lines: task.lines(), task };
    },
  };
}
