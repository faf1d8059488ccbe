import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pods } from '../objects/resources.ts';
import { apiTime, type Container, type Pod } from '../objects/types.ts';
import { sandboxConfig } from './container-config.ts';
import { liveContainer, type PodPlace } from './container-life.ts';
import { ContainerRecord } from './container-record.ts';
import type { KubeletParts } from './kubelet.ts';
import { podStatus } from './pod-status.ts';
import { mountVolume, type MountedVolume } from './volumes.ts';

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
      await Promise.race([this.#parts.faults.beforeStart(this.#pod), aborted(signal)]);
      signal.throwIfAborted();
      await mkdir(this.#directory, { recursive: true });
      await this.#mountVolumes();
      await this.#startSandbox();
      const seconds = this.#pod.spec.activeDeadlineSeconds;
      if (seconds !== undefined) this.#deadline = setTimeout(() => void this.#fail(), seconds * 1000);
      for (const container of this.#pod.spec.initContainers ?? []) {
        if ((await this.#live(container, this.#init, () => undefined)) !== 0) return;
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

  /** The life of a container in this pod; its last exit code. */
  async #live(
    container: Container,
    records: ReadonlyMap<string, ContainerRecord>,
    attempted: () => void,
  ): Promise<number | undefined> {
    const record = records.get(container.name);
    if (!record || this.#sandbox === undefined) return undefined;
    const place: PodPlace = {
      parts: this.#parts,
      pod: this.#pod,
      prefix: this.#prefix,
      sandbox: this.#sandbox,
      podIp: this.#podIp ?? '',
      volumes: this.#volumes,
      ending: this.#ending.signal,
      report: () => this.#report(),
      event: (type, reason, message) => this.#event(type, reason, message, container.name),
    };
    return liveContainer(place, container, record, records === this.#init, attempted);
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
    for (const name of this.#engineVolumes) await engine.removeVolume(name);
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

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function recordsOf(containers: readonly Container[], reason: string): Map<string, ContainerRecord> {
  return new Map(containers.map(({ name, image }) => [name, new ContainerRecord(name, image, reason)]));
}
