import { messageOf, type Clock } from '../lib/index.ts';
import type { EncodedVariable, JobFile, JobRequest } from '../protocol/ci/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { decodeBase64 } from './host-executor/base64.ts';
import { quoteWord } from './host-executor/quote-word.ts';
import type { JobCommand, JobEvents, JobExecutor } from './job-executor.ts';
import { variablesScript } from './kubernetes-executor/environment-secrets.ts';
import { explainLoss, hasEnded } from './kubernetes-executor/explain-loss.ts';
import { destinationOf, injectCommand } from './kubernetes-executor/inject-command.ts';
import { type CreatedResources, JobResources } from './kubernetes-executor/job-resources.ts';
import type { Leftovers } from './kubernetes-executor/leftovers.ts';
import type { AgentProcess } from './kubernetes-executor/ownership.ts';
import { PodObserver } from './kubernetes-executor/pod-observer.ts';
import { PodProcess } from './kubernetes-executor/pod-process.ts';
import type { KubernetesSettings } from './kubernetes-executor/settings.ts';
import { TypedTransport } from './kubernetes-executor/typed-transport.ts';
import { reasonOf, waitForPod } from './kubernetes-executor/wait-for-pod.ts';
import type { KubernetesClient } from './kubernetes/index.ts';
import { ShellSession } from './shell-session/index.ts';
import { showCommand, showWork } from './show-step.ts';

export interface KubernetesExecutorOptions {
  events: JobEvents;
  logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  clock: Clock;
  client: KubernetesClient;
  settings: KubernetesSettings;
  /** This agent, so that the next one knows what is nobody's. */
  owner: AgentProcess;
  /** Takes what cannot be removed at the end of the job. */
  leftovers: Leftovers;
  request: Pick<JobRequest, 'jobId' | 'compose' | 'variables' | 'files'>;
  /** Exported to the job; they win over its own. */
  hostVariables: readonly { name: string; value: string }[];
  /** Of the agent, for the AWS CLI. */
  env: Readonly<Record<string, string>>;
  /** From TERM to KILL, milliseconds. @default as `ShellSession` has it */
  stopGraceMs?: number | undefined;
  /** How long the shell may take to its first prompt, milliseconds. @default as `ShellSession` has it */
  startTimeoutMs?: number | undefined;
  /** Aborted when KILL shall not wait for that. It stops nothing by itself. */
  hurry?: AbortSignal | undefined;
}

const hourMs = 3_600_000;
/** From the end of a pod until the connection to its shell is given up, milliseconds: usually it ends by itself. */
const endPatienceMs = 3000;

/** What `start` tells of the shell, and how it is asked for. */
const introductions = [
  ['User', 'whoami 2>/dev/null || id -u'],
  ['User identity', 'id'],
  ['Working directory', 'pwd'],
] as const;

/**
 * Runs a job in a pod (spec CI 6.3): its commands in the container `main`, in one login shell over the API's WebSocket.
 *
 *     new ─prepare▶ pod and secrets are made ─start▶ the shell is ready
 *      └───────────────────────┴──────────stop────────────┴─▶ stopped: pod and secrets are removed, at any moment
 */
export class KubernetesExecutor implements JobExecutor {
  readonly #options: KubernetesExecutorOptions;
  readonly #resources: JobResources;
  readonly #stopped = new AbortController();
  #creating: Promise<CreatedResources> | undefined;
  #created: CreatedResources | undefined;
  #observer: PodObserver | undefined;
  #process: PodProcess | undefined;
  #session: ShellSession | undefined;
  #hasExported = false;
  #isExplained = false;
  #stopping: Promise<void> | undefined;

  constructor(options: KubernetesExecutorOptions) {
    this.#options = options;
    this.#resources = new JobResources({ ...options, signal: this.#stopped.signal });
  }

  prepare(): Promise<number> {
    const { events, logger } = this.#options;
    return showWork('Creating Kubernetes resources for job...', this.#options, async () => {
      if (this.#isStopped()) return 1;
      try {
        this.#creating = this.#resources.create();
        this.#created = await this.#creating;
        for (const remark of this.#created.remarks) events.output(`${remark}\n`);
        return 0;
      } catch (error: unknown) {
        if (!this.#isStopped()) {
          events.output(`${messageOf(error)}\n`);
          logger.error('The pod of the job could not be made', { error: messageOf(error) });
        }
        return 1;
      }
    });
  }

  start(): Promise<number> {
    return showWork('Starting shell session...', this.#options, async () => {
      if (!this.#created || this.#isStopped()) return 1;
      const isReady = (await this.#awaitPod(this.#created.pod)) && (await this.#openSession(this.#created.pod.name));
      return isReady ? this.#introduce() : 1;
    });
  }

  exportVariables(job: readonly EncodedVariable[], host: readonly { name: string; value: string }[]): Promise<number> {
    return showWork('Exporting environment variables', this.#options, () => {
      for (const { name } of [...job, ...host]) this.#options.events.output(`Exporting ${name}\n`);
      const isFirst = !this.#hasExported;
      this.#hasExported = true;
      // The first are in the secret, where `prepare` has put them.
      if (isFirst) return this.#silently(`\\builtin . ${variablesScript}`);
      return this.#export(job);
    });
  }

  injectFiles(files: readonly JobFile[]): Promise<number> {
    return showWork('Injecting Files', this.#options, async () => {
      for (const file of files) {
        if (this.#isStopped()) return 1;
        const exitCode = await this.#inject(file);
        if (exitCode !== 0) return exitCode;
      }
      return 0;
    });
  }

  run(command: JobCommand): Promise<number> {
    const session = this.#session;
    return showCommand(
      command,
      this.#options,
      session && {
        run: async (text, { onOutput }) => {
          const result = await session.run(text, { onOutput });
          const explanation = result.shellExit ? await this.#explain() : undefined;
          if (explanation !== undefined) await onOutput(`${explanation}\n`);
          return result;
        },
      },
    );
  }

  async evaluate(directive: string): Promise<{ output: string; exitCode: number }> {
    if (!this.#session) return { output: '', exitCode: 1 };
    const { output, exitCode } = await this.#session.evaluate(directive);
    return { output, exitCode };
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #awaitPod(pod: { name: string; uid: string }): Promise<boolean> {
    const { client, settings, events, clock, logger } = this.#options;
    this.#observer = new PodObserver({ client, name: pod.name, logger });
    const problem = await waitForPod({
      client,
      observer: this.#observer,
      pod,
      timeoutSeconds: settings.podStartTimeout,
      say: (text) => events.output(text),
      clock,
      logger,
      signal: this.#stopped.signal,
    });
    if (problem === undefined) {
      this.#observer.calm();
      events.output('Pod is ready.\n');
      return true;
    }
    if (!this.#isStopped()) {
      events.output(`Pod could not be started: ${problem}\n`);
      logger.error('The pod of the job did not start', { pod: pod.name, error: problem });
    }
    return false;
  }

  async #openSession(pod: string): Promise<boolean> {
    const { client, events, logger, stopGraceMs, startTimeoutMs } = this.#options;
    events.output('Starting a new bash session in the pod...\n');
    this.#session = new ShellSession({
      open: async (handlers, signal) => {
        this.#process = await PodProcess.open({ client, pod }, handlers, signal);
        return this.#process;
      },
      log: logger,
      transport: new TypedTransport(),
      startFailures: [/executable file not found/],
      ...(stopGraceMs !== undefined && { stopGraceMs }),
      ...(startTimeoutMs !== undefined && { startTimeoutMs }),
    });
    let failure = 'Failed to create shell in kubernetes container';
    let reason: string;
    try {
      const result = await this.#session.start();
      if (result.kind === 'ready') {
        events.output('Shell session is ready.\n');
        void this.#watchOver();
        return true;
      }
      failure = 'Failed to start shell in kubernetes container';
      reason = (await this.#explain()) ?? result.reason;
    } catch (error: unknown) {
      reason = reasonOf(error);
    }
    if (!this.#isStopped()) {
      events.output(`${failure}\n`);
      events.output(`${reason}\n`);
      logger.error('The shell of the job did not start', { pod, error: reason });
    }
    return false;
  }

  /** The connection may stay open after the pod has gone, when its node has gone with it. */
  async #watchOver(): Promise<void> {
    const { signal } = this.#stopped;
    const observer = this.#observer;
    if (!observer) return;
    while (!signal.aborted && !observer.failure && !hasEnded(observer)) await observer.changed(hourMs, signal);
    await observer.changed(endPatienceMs, signal);
    if (!signal.aborted && hasEnded(observer)) this.#process?.abandon();
  }

  async #introduce(): Promise<number> {
    for (const [what, command] of introductions) {
      const { output, exitCode } = await this.evaluate(command);
      if (exitCode !== 0) return exitCode;
      this.#options.events.output(`${what}: ${output}`);
    }
    return 0;
  }

  async #export(job: readonly EncodedVariable[]): Promise<number> {
    for (const { name, value } of job) {
      const decoded = decodeBase64(value);
      if (!decoded) return 1;
      const exitCode = await this.#silently(`\\builtin export ${name}=${quoteWord(decoded.toString('utf8'))}`);
      if (exitCode !== 0) return exitCode;
    }
    return 0;
  }

  /** What the shell says of variables may quote them: it is not for any log. */
  async #silently(command: string): Promise<number> {
    if (this.#isStopped()) return 1;
    const { exitCode } = await this.evaluate(command);
    if (exitCode !== 0) {
      this.#options.logger.error('The shell of the job could not take over variables', { exit_code: exitCode });
    }
    return exitCode;
  }

  async #inject(file: JobFile): Promise<number> {
    const { events } = this.#options;
    const destination = destinationOf(file.path);
    events.output(`Injecting ${destination} with file mode ${file.mode}\n`);
    const parts = this.#created?.parts.get(file.path) ?? [];
    const { exitCode, output } = await this.evaluate(injectCommand(file, parts));
    if (exitCode !== 0)
      events.output(`Error injecting file ${destination}: ${output.trim() || `exit code ${exitCode}`}\n`);
    return exitCode;
  }

  /** Why there is no shell any more, once. */
  async #explain(): Promise<string | undefined> {
    if (!this.#observer || this.#isExplained || this.#isStopped()) return undefined;
    this.#isExplained = true;
    const explanation = await explainLoss(this.#process?.end, this.#observer, this.#stopped.signal);
    if (explanation !== undefined) this.#options.logger.warn('The shell of the job was lost', { reason: explanation });
    return explanation;
  }

  async #stop(): Promise<void> {
    const { logger, leftovers, hurry } = this.#options;
    this.#stopped.abort();
    const onHurry = (): void => void this.#session?.stop(0);
    if (hurry?.aborted === true) onHurry();
    hurry?.addEventListener('abort', onHurry, { once: true });
    const works = [
      () => this.#session?.stop(),
      // What is being made must be known before it can be removed.
      () => this.#creating?.then(doNothing, doNothing),
      () => leftovers.remove(this.#resources.made),
      () => this.#observer?.close(),
    ];
    for (const work of works) {
      try {
        await work();
      } catch (error: unknown) {
        logger.warn('Something of the job is left behind', { error: messageOf(error) });
      }
    }
    hurry?.removeEventListener('abort', onHurry);
  }

  #isStopped(): boolean {
    return this.#stopped.signal.aborted;
  }
}

function doNothing(): void {
  // `prepare` has told it.
}
