import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pods } from '../objects/resources.ts';
import { apiTime, type Container, type Pod } from '../objects/types.ts';
import { containerConfig, sandboxConfig } from './container-config.ts';
import { ContainerRecord } from './container-record.ts';
import { EngineError } from './engine.ts';
import { environmentOf } from './environment.ts';
import { ensureImage } from './images.ts';
import type { KubeletParts } from './kubelet.ts';
import { podStatus } from './pod-status.ts';
import { mountVolume, type MountedVolume } from './volumes.ts';
import { Waiting } from './waiting.ts';

/**
 * The life of one pod on the node, its containers real containers of the engine: volumes, the sandbox with the network, init containers
 * one after the other, then the others; restarts; the end. It begins when it is made.
 */
export class PodWorker {
  readonly #parts: KubeletParts;
  readonly #pod: Pod;
  readonly #prefix: string;
  readonly #directory: string;
  readonly #ending = new AbortController();
  readonly #init: Map<string, ContainerRecord>;
  readonly #containers: Map<string, ContainerRecord>;
  readonly #life: Promise<void>;
  readonly #startTime = apiTime();
  #volumes = new Map<string, MountedVolume>();
  #engineVolumes: string[] = [];
  #sandbox: string | undefined;
  #podIp: string | undefined;
  #failure: { reason: string; message: string } | undefined;
  #deadline: NodeJS.Timeout | undefined;

  constructor(parts: KubeletParts, pod: Pod) {
    this.#parts = parts;
    this.#pod = pod;
    this.#prefix = `${parts.prefix}-${pod.metadata.uid.slice(0, 8)}-${pod.metadata.name.slice(0, 40)}`;
    this.#directory = join(parts.directory, pod.metadata.uid);
    const reason = pod.spec.initContainers?.length ? 'PodInitializing' : 'ContainerCreating';
    this.#init = recordsOf(pod.spec.initContainers ?? [], 'PodInitializing');
    this.#containers = recordsOf(pod.spec.containers, reason);
    this.#life = this.#run();
  }

  /** The container of that name; undefined when the pod has none. */
  record(name: string): ContainerRecord | undefined {
    return this.#containers.get(name) ?? this.#init.get(name);
  }

  /** Ends everything: TERM, `graceSeconds`, KILL. Again: sooner. What the engine has of the pod is gone when it resolves. */
  async end(graceSeconds: number): Promise<void> {
    clearTimeout(this.#deadline);
    this.#ending.abort();
    await this.#stopContainers(graceSeconds);
    // One that was being started when the end came.
    await this.#life;
    await this.#stopContainers(0);
    this.#report();
    await this.#remove();
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    try {
      this.#report();
      await this.#parts.faults.beforeStart(this.#pod);
      await mkdir(this.#directory, { recursive: true });
      await this.#mountVolumes();
      await this.#startSandbox();
      const seconds = this.#pod.spec.activeDeadlineSeconds;
      if (seconds !== undefined) this.#deadline = setTimeout(() => void this.#fail(), seconds * 1000);
      for (const container of this.#pod.spec.initContainers ?? []) {
        const code = await this.#live(container, this.#init, () => undefined);
        if (code !== 0) return;
      }
      for (const record of this.#containers.values()) record.waiting('ContainerCreating', '');
      this.#report();
      const lives: Promise<unknown>[] = [];
      for (const container of this.#pod.spec.containers) {
        await new Promise<void>((attempted) => {
          lives.push(this.#live(container, this.#containers, attempted).finally(attempted));
        });
      }
      await Promise.all(lives);
      clearTimeout(this.#deadline);
      // Its network has no use any more; the containers stay for their logs.
      if (!signal.aborted && this.#sandbox !== undefined) await this.#parts.engine.stop(this.#sandbox, 0);
    } catch (error: unknown) {
      if (signal.aborted) return;
      this.#event('Warning', 'FailedSync', `error syncing pod: ${String(error)}`);
    }
  }

  /** Starts a container again as the restart policy says; its last exit code, or undefined when the pod ends before. */
  async #live(
    container: Container,
    records: Map<string, ContainerRecord>,
    attempted: () => void,
  ): Promise<number | undefined> {
    const record = records.get(container.name);
    const { signal } = this.#ending;
    let delay = this.#parts.backOffMs;
    if (!record) return undefined;
    while (!signal.aborted) {
      try {
        await this.#start(container, record);
        attempted();
        // The end came while it was being started.
        if (signal.aborted && record.id !== undefined) await this.#parts.engine.stop(record.id, 0);
        if (record.isRunning && record.id !== undefined) await this.#awaitEnd(record.id, record);
        const code = record.status.state.terminated?.exitCode;
        if (signal.aborted || !this.#isRestarted(code, records === this.#init)) return code;
        record.restarting(delay);
        this.#event('Warning', 'BackOff', 'Back-off restarting failed container', container.name);
      } catch (error: unknown) {
        if (signal.aborted) return undefined;
        await this.#wait(container, record, error, attempted);
      }
      this.#report();
      await sleep(delay, undefined, { signal }).catch(() => undefined);
      delay = Math.min(delay * 2, 10 * this.#parts.backOffMs);
    }
    return undefined;
  }

  async #start(container: Container, record: ContainerRecord): Promise<void> {
    const { engine, store, labels } = this.#parts;
    const { signal } = this.#ending;
    const report = {
      event: (type: 'Normal' | 'Warning', reason: string, message: string) =>
        this.#event(type, reason, message, container.name),
      pulled: this.#parts.pulled,
    };
    const image = await ensureImage(engine, store, this.#pod, container, report, signal);
    const environment = environmentOf(container, { store, pod: this.#pod, podIp: this.#podIp ?? '' });
    const config = containerConfig({
      pod: this.#pod,
      container,
      image,
      sandbox: this.#sandbox ?? '',
      environment,
      volumes: this.#volumes,
      labels: {
        ...labels,
        'io.kubernetes.pod.name': this.#pod.metadata.name,
        'io.kubernetes.container.name': container.name,
      },
    });
    signal.throwIfAborted();
    if (record.id !== undefined) await engine.remove(record.id);
    record.id = await engine.create(`${this.#prefix}-${container.name}`, config);
    this.#event('Normal', 'Created', `Created container ${container.name}`, container.name);
    try {
      await engine.start(record.id);
    } catch (error: unknown) {
      if (!(error instanceof EngineError)) throw error;
      const text = `failed to start container "${record.id}": Error response from daemon: ${error.message}`;
      record.notStarted(text);
      this.#event('Warning', 'Failed', `Error: ${text}`, container.name);
      this.#report();
      return;
    }
    record.running(record.id, image.Id, await engine.inspect(record.id));
    this.#event('Normal', 'Started', `Started container ${container.name}`, container.name);
    this.#report();
  }

  async #awaitEnd(id: string, record: ContainerRecord): Promise<void> {
    const { engine, closing } = this.#parts;
    try {
      await engine.wait(id, closing);
      record.ended(await engine.inspect(id));
    } catch (error: unknown) {
      if (closing.aborted) return;
      // Somebody has removed the container behind the node's back.
      record.notStarted(error instanceof Error ? error.message : String(error));
    }
    this.#report();
  }

  /** The container waits; an image that could not be pulled is shown first as ErrImagePull, then as ImagePullBackOff. */
  async #wait(container: Container, record: ContainerRecord, error: unknown, attempted: () => void): Promise<void> {
    const reason = error instanceof Waiting ? error.reason : 'CreateContainerError';
    const message = error instanceof Error ? error.message : String(error);
    record.waiting(reason, message);
    if (reason.startsWith('CreateContainer')) this.#event('Warning', 'Failed', `Error: ${message}`, container.name);
    this.#report();
    attempted();
    if (reason !== 'ErrImagePull') return;
    await sleep(this.#parts.backOffMs, undefined, { signal: this.#ending.signal }).catch(() => undefined);
    const text = `Back-off pulling image "${container.image}"`;
    record.waiting('ImagePullBackOff', text);
    this.#event('Normal', 'BackOff', text, container.name);
    this.#event('Warning', 'Failed', 'Error: ImagePullBackOff', container.name);
  }

  #isRestarted(code: number | undefined, isInit: boolean): boolean {
    if (this.#failure) return false;
    const policy = this.#pod.spec.restartPolicy;
    if (policy === 'Always' && !isInit) return true;
    return policy !== 'Never' && code !== 0;
  }

  async #mountVolumes(): Promise<void> {
    const { engine, store, labels, backOffMs } = this.#parts;
    const made = (name: string): void => void this.#engineVolumes.push(name);
    const host = { engine, store, labels, directory: this.#directory, prefix: this.#prefix, made };
    for (const volume of this.#pod.spec.volumes ?? []) {
      while (!this.#volumes.has(volume.name)) {
        try {
          this.#volumes.set(volume.name, await mountVolume(volume, this.#pod, host));
        } catch (error: unknown) {
          const cause = error instanceof Error ? error.message : String(error);
          this.#event('Warning', 'FailedMount', `MountVolume.SetUp failed for volume "${volume.name}" : ${cause}`);
          await rm(join(this.#directory, volume.name), { recursive: true, force: true });
          await sleep(backOffMs, undefined, { signal: this.#ending.signal });
        }
      }
    }
  }

  async #startSandbox(): Promise<void> {
    const { engine, labels, sandboxImage, network, backOffMs } = this.#parts;
    const { signal } = this.#ending;
    while (this.#podIp === undefined) {
      signal.throwIfAborted();
      try {
        const config = sandboxConfig(this.#pod, sandboxImage, await network(), labels);
        this.#sandbox ??= await engine.create(`${this.#prefix}-sandbox`, config);
        await engine.start(this.#sandbox);
        const { NetworkSettings } = await engine.inspect(this.#sandbox);
        this.#podIp = Object.values(NetworkSettings.Networks)[0]?.IPAddress ?? '';
      } catch (error: unknown) {
        this.#event('Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${String(error)}`);
        await sleep(backOffMs, undefined, { signal });
      }
    }
  }

  /** activeDeadlineSeconds are over. */
  async #fail(): Promise<void> {
    const message = 'Pod was active on the node longer than the specified deadline';
    this.#failure = { reason: 'DeadlineExceeded', message };
    this.#ending.abort();
    this.#event('Normal', 'DeadlineExceeded', message);
    await this.#stopContainers(this.#pod.spec.terminationGracePeriodSeconds ?? 30);
    this.#report();
  }

  async #stopContainers(graceSeconds: number): Promise<void> {
    const all = [...this.#init.values(), ...this.#containers.values()].filter(({ isRunning }) => isRunning);
    await Promise.all(
      all.map(async ({ id, status }) => {
        if (id === undefined) return;
        this.#event('Normal', 'Killing', `Stopping container ${status.name}`, status.name);
        await this.#parts.engine.stop(id, graceSeconds);
      }),
    );
  }

  async #remove(): Promise<void> {
    const { engine } = this.#parts;
    const ids = [...this.#init.values(), ...this.#containers.values()].map(({ id }) => id);
    for (const id of [...ids, this.#sandbox]) if (id !== undefined) await engine.remove(id);
    for (const name of this.#engineVolumes) await engine.call('DELETE', `/volumes/${name}?force=1`);
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Writes the status, as far as the pod is still there. */
  #report(): void {
    this.#parts.store.modify(pods, this.#pod, (current) => {
      current.status = podStatus(current, {
        startTime: this.#startTime,
        podIp: this.#podIp,
        init: structuredClone([...this.#init.values()].map(({ status }) => status)),
        containers: structuredClone([...this.#containers.values()].map(({ status }) => status)),
        failure: this.#failure,
      });
    });
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string, container?: string): void {
    this.#parts.recorder.record(this.#pod, type, reason, message, { ...(container !== undefined && { container }) });
  }
}

function recordsOf(containers: readonly Container[], reason: string): Map<string, ContainerRecord> {
  return new Map(containers.map(({ name, image }) => [name, new ContainerRecord(name, image, reason)]));
}
