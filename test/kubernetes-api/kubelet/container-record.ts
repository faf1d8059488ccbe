import { apiTime, type ContainerState, type ContainerStatus } from '../objects/types.ts';
import type { ContainerInfo } from './engine.ts';

/** What is known of one container of a pod. */
export class ContainerRecord {
  /** In the engine; undefined until it has been made. */
  id: string | undefined;
  readonly status: ContainerStatus;

  constructor(name: string, image: string, reason: string) {
    const state: ContainerState = { waiting: { reason } };
    this.status = { name, state, lastState: {}, ready: false, started: false, restartCount: 0, image, imageID: '' };
  }

  get isRunning(): boolean {
    return this.status.state.running !== undefined;
  }

  waiting(reason: string, message: string): void {
    this.#become({ waiting: { reason, ...(message !== '' && { message }) } }, false);
  }

  running(id: string, imageId: string, info: ContainerInfo): void {
    this.id = id;
    this.status.containerID = `docker://${id}`;
    this.status.imageID = `docker://${imageId}`;
    this.#become({ running: { startedAt: apiTime(new Date(info.State.StartedAt)) } }, true);
  }

  ended({ Id, State }: ContainerInfo): void {
    const { ExitCode: exitCode, OOMKilled, StartedAt, FinishedAt } = State;
    this.#become(
      {
        terminated: {
          exitCode,
          reason: OOMKilled && exitCode !== 0 ? 'OOMKilled' : exitCode === 0 ? 'Completed' : 'Error',
          startedAt: apiTime(new Date(StartedAt)),
          finishedAt: apiTime(new Date(FinishedAt)),
          containerID: `docker://${Id}`,
        },
      },
      false,
    );
  }

  /** It could not be started: no such command, no such directory. */
  notStarted(message: string): void {
    const now = apiTime();
    this.#become(
      { terminated: { exitCode: 128, reason: 'StartError', message, startedAt: now, finishedAt: now } },
      false,
    );
  }

  /** The engine does not have it any more; what became of it is not known. */
  lost(message: string): void {
    const startedAt = this.status.state.running?.startedAt ?? apiTime();
    const reason = 'ContainerStatusUnknown';
    this.#become({ terminated: { exitCode: 137, reason, message, startedAt, finishedAt: apiTime() } }, false);
  }

  restarting(delayMs: number): void {
    this.status.lastState = this.status.state;
    this.status.restartCount += 1;
    this.waiting('CrashLoopBackOff', `back-off ${delayMs / 1000}s restarting failed container=${this.status.name}`);
  }

  #become(state: ContainerState, ready: boolean): void {
    this.status.state = state;
    this.status.ready = ready;
    this.status.started = ready;
  }
}
