import { assertNever, messageOf } from '../../lib/index.ts';
import type { LogFields } from '../../telemetry/index.ts';
import type { Core } from '../core.ts';
import { quietRepeats } from '../quiet-repeats.ts';
import type { RunnerRecord, TaskRecord } from '../store/records.ts';
import type { TaskBoard } from '../tasks/task-board.ts';
import { plan } from './plan.ts';
import type { Webhooks } from './webhook.ts';

/**
 * Gives waiting tasks to runners in the moment in which that becomes possible: a task came, one ended, a runner asked for
 * work. Nothing here waits or polls. A runner with a webhook is called first and gets the task when it has answered; the task is
 * reserved for it meanwhile.
 */
export class Dispatcher {
  readonly #core: Core;
  readonly #board: TaskBoard;
  readonly #webhooks: Webhooks;
  /** Aborted when the server ends. */
  readonly #ending: AbortSignal;
  /** Tasks whose runner is being called. */
  readonly #reserved = new Map<number, number>();
  readonly #calls = new Set<Promise<void>>();
  readonly #complain: (message: string, fields: LogFields) => void;
  #running = false;
  #again = false;

  constructor(core: Core, board: TaskBoard, webhooks: Webhooks, ending: AbortSignal) {
    this.#core = core;
    this.#board = board;
    this.#webhooks = webhooks;
    this.#ending = ending;
    this.#complain = quietRepeats(core.clock, (message, fields) => core.logger.error(message, fields));
    core.events.opportunity.on(() => this.run());
    core.events.finished.on((task) => this.#finished(task));
  }

  /** Assigns what can be assigned now; done when this returns, but for runners with webhooks. */
  run(): void {
    // What happens while a plan is carried out may call for another one, but not within the first.
    this.#again = true;
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#again) {
        this.#again = false;
        this.#once();
      }
    } catch (error: unknown) {
      // The journal takes no more, for example. Whoever caused this plan shall not suffer for it; the next one tries again.
      this.#complain('Tasks cannot be assigned', { context: 'dispatch', error });
    } finally {
      this.#running = false;
    }
  }

  /** Resolves when no webhook is being called any more. */
  async idle(): Promise<void> {
    while (this.#calls.size > 0) await Promise.all(this.#calls);
  }

  #once(): void {
    const { store, catalog, config, clock } = this.#core;
    const decisions = plan({
      tasks: [...store.unfinished()],
      reserved: this.#reserved,
      runners: [...store.runners()],
      catalog,
      now: clock.now(),
      offlineTimeoutMs: config.runners.offlineTimeoutMs,
      random: () => clock.random(),
    });
    for (const decision of decisions) {
      switch (decision.kind) {
        case 'assign':
          this.#assign(decision.task, decision.runner);
          break;
        case 'fail':
          this.#board.end(decision.task.id, 'error', decision.reason);
          break;
        default:
          assertNever(decision);
      }
    }
  }

  #assign(task: TaskRecord, runner: RunnerRecord): void {
    const { webhook } = runner;
    if (webhook === undefined) {
      this.#board.assign(task.id, runner);
      return;
    }
    this.#reserve(task, runner.id, async () => {
      try {
        await this.#webhooks.call(webhook, 'start', task, runner.id, this.#ending);
      } catch (error: unknown) {
        // The next server will try again.
        if (this.#ending.aborted) return;
        const note = `Failed to wake runner #${runner.id} through its webhook: ${messageOf(error)}`;
        return this.#board.end(task.id, 'error', note);
      }
      // The runner, or the task, may be gone by now; then what was woken may sleep again.
      const assigned = this.#core.store.runner(runner.id) !== undefined && this.#board.assign(task.id, runner);
      if (!assigned) await this.#callFinish(webhook, task, runner.id);
    });
  }

  /** Keeps a task out of further plans while something about it is under way. */
  #reserve(task: TaskRecord, runnerId: number, work: () => Promise<void>): void {
    this.#reserved.set(task.id, runnerId);
    this.#track(
      work().finally(() => {
        this.#reserved.delete(task.id);
        if (!this.#ending.aborted) this.run();
      }),
    );
  }

  /** The other half of the webhook; not for a task that a user tore away from its runner (spec 3.9). */
  #finished(task: TaskRecord): void {
    const runner = this.#core.store.runner(task.runnerId ?? 0);
    if (!runner?.webhook || task.forced) return;
    this.#track(this.#callFinish(runner.webhook, task, runner.id));
  }

  async #callFinish(webhook: string, task: TaskRecord, runnerId: number): Promise<void> {
    try {
      await this.#webhooks.call(webhook, 'finish', task, runnerId, this.#ending);
    } catch (error: unknown) {
      const fields = { context: 'dispatch', task_id: task.id, runner_id: runnerId, error };
      this.#core.logger.warn('The webhook of a runner failed at the end of a task', fields);
    }
  }

  #track(call: Promise<void>): void {
    const settled = call
      .catch((error: unknown) =>
        this.#core.logger.error('A task could not be dispatched', { context: 'dispatch', error }),
      )
      .finally(() => this.#calls.delete(settled));
    this.#calls.add(settled);
  }
}
