import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { type KubernetesClient, openKubernetes } from '../../src/executors/kubernetes/index.ts';
import { KubernetesExecutor, type KubernetesExecutorOptions } from '../../src/executors/kubernetes-executor.ts';
import { Leftovers } from '../../src/executors/kubernetes-executor/leftovers.ts';
import { thisProcess } from '../../src/executors/kubernetes-executor/ownership.ts';
import type { KubernetesSettings } from '../../src/executors/kubernetes-executor/settings.ts';
import { systemClock } from '../../src/lib/index.ts';
import { readJobRequest } from '../../src/protocol/ci/index.ts';
import type { KubernetesApi } from '../kubernetes-api/index.ts';
import { keepingLogger } from '../agent/job-setup.ts';
import { busyboxImage, debianImage, docker, ensureImages } from '../support/docker/index.ts';
import { tempDir } from '../support/temp-dir.ts';

/** One of a job's commands, or what is shown like one. */
export interface ShownCommand {
  directive: string;
  output: string;
  exitCode: number | undefined;
}

export interface PodJob {
  executor: KubernetesExecutor;
  /** What the job's log shows, command by command. */
  shown: ShownCommand[];
  last: () => ShownCommand;
  agentLog: string[];
  client: KubernetesClient;
  leftovers: Leftovers;
  /** Resolves when the output of the command that is shown has this text. */
  said: (text: string | RegExp) => Promise<void>;
}

export interface PodJobOptions extends Partial<Omit<KubernetesExecutorOptions, 'settings' | 'request'>> {
  settings?: Partial<KubernetesSettings>;
  /** As the server writes it, without what every test has: one container of the Debian image. */
  request?: Record<string, unknown>;
  kubeconfig?: string;
  namespace?: string;
}

/** Of `:latest`, Kubernetes would ask a registry each time. */
export const podImage = `${debianImage}:pods`;
export const smallImage = `${busyboxImage}:pods`;

/** Gives the images of the tests names that are not pulled. */
export async function tagImages(): Promise<void> {
  await ensureImages(debianImage, busyboxImage);
  await docker(['tag', debianImage, podImage]);
  await docker(['tag', busyboxImage, smallImage]);
}

export function encoded(name: string, value: string): { name: string; value: string } {
  return { name, value: Buffer.from(value).toString('base64') };
}

/** An executor for a job whose log is kept. */
export async function podJob(api: Pick<KubernetesApi, 'kubeconfig'>, options: PodJobOptions = {}): Promise<PodJob> {
  const { settings, request, kubeconfig = api.kubeconfig, namespace, ...rest } = options;
  const shown: ShownCommand[] = [];
  const agentLog: string[] = [];
  const waiting: { text: string | RegExp; resolve: () => void }[] = [];
  const tell = (): void => {
    for (const { text, resolve } of waiting) if (has(shown.at(-1), text)) resolve();
  };
  const clock = systemClock;
  const logger = keepingLogger(agentLog);
  const client = rest.client ?? (await openKubernetes({ env: {}, kubeconfig, namespace, clock }));
  const leftovers = new Leftovers({ client, clock, logger });
  const executor = new KubernetesExecutor({
    events: {
      commandStarted: (directive) => void shown.push({ directive, output: '', exitCode: undefined }),
      output: (text) => {
        const last = shown.at(-1);
        if (last) last.output += text;
        tell();
      },
      commandFinished: ({ exitCode }) => {
        const last = shown.at(-1);
        if (last) last.exitCode = exitCode;
      },
    },
    logger,
    clock,
    client,
    leftovers,
    owner: thisProcess(),
    hostVariables: [],
    env: { PATH: process.env['PATH'] ?? '' },
    stopGraceMs: 1000,
    ...rest,
    settings: { podSpec: '', allowedImages: [], labels: {}, podStartTimeout: 120, defaultImage: '', ...settings },
    request: readJobRequest({
      job_id: crypto.randomUUID(),
      compose: { containers: [{ name: 'main', image: podImage }] },
      ...request,
    }),
  });
  return {
    executor,
    shown,
    last: () => shown.at(-1) ?? { directive: '', output: '', exitCode: undefined },
    agentLog,
    client,
    leftovers,
    said: (text) =>
      new Promise((resolve) => {
        if (has(shown.at(-1), text)) resolve();
        else waiting.push({ text, resolve });
      }),
  };
}

function has(command: ShownCommand | undefined, text: string | RegExp): boolean {
  const output = command?.output ?? '';
  return typeof text === 'string' ? output.includes(text) : text.test(output);
}

/** Makes a ConfigMap in the namespace `default`. */
export async function addConfigMap(
  api: Pick<KubernetesApi, 'kubeconfig'>,
  name: string,
  data: Record<string, string>,
): Promise<void> {
  const path = join(tempDir(), 'config-map.json');
  writeFileSync(path, JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data }));
  await execa('kubectl', ['--kubeconfig', api.kubeconfig, 'create', '-f', path]);
}
