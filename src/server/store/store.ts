import { isFinished } from '../../protocol/ui/index.ts';
import { type Clock, InternalError } from '../../lib/index.ts';
import { IdBook } from './id-book.ts';
import { Journal } from './journal.ts';
import { isStateRecord, type RunnerRecord, type StateRecord, type TaskRecord } from './records.ts';

export interface StoreOptions {
  dir: string;
  clock: Pick<Clock, 'now'>;
  onCompactionError: (error: unknown) => void;
  compactAfterBytes?: number;
}

/**
 * Everything the server remembers but logs, in memory and in the journal. A change is in the journal before it is in memory, so
 * what anybody has seen survives a crash; when the journal takes no more (disk full), the change did not happen.
 */
export class Store {
  readonly ids: IdBook;
  readonly #tasks = new Map<number, TaskRecord>();
  /** The same objects again, those that still matter to the dispatcher, in order of their ids. */
  readonly #unfinished = new Map<number, TaskRecord>();
  readonly #lastOfTemplate = new Map<number, number>();
  readonly #countOfTemplate = new Map<number, number>();
  readonly #runners = new Map<number, RunnerRecord>();
  readonly #highest: Record<string, number> = {};
  #journal: Journal | undefined;

  private constructor(clock: Pick<Clock, 'now'>) {
    this.ids = new IdBook(
      (record) => this.#append(record),
      this.#highest,
      () => new Date(clock.now()).toISOString(),
    );
  }

  /** Reads the state of earlier runs. Throws UserError when it is damaged. */
  static async open(options: StoreOptions): Promise<Store> {
    const store = new Store(options.clock);
    store.#journal = await Journal.open({
      ...options,
      replay: (record) => {
        if (!isStateRecord(record)) throw new InternalError('not a record of the state');
        store.#apply(record);
      },
      snapshot: () => store.#snapshot(),
    });
    return store;
  }

  async close(): Promise<void> {
    await this.#journal?.close();
  }

  // Tasks

  task(id: number): TaskRecord | undefined {
    return this.#tasks.get(id);
  }

  /** All tasks, oldest first. */
  tasks(): Iterable<TaskRecord> {
    return this.#tasks.values();
  }

  /** Tasks that are not finished, oldest first. */
  unfinished(): Iterable<TaskRecord> {
    return this.#unfinished.values();
  }

  get finishedCount(): number {
    return this.#tasks.size - this.#unfinished.size;
  }

  lastTaskOf(templateId: number): TaskRecord | undefined {
    return this.task(this.#lastOfTemplate.get(templateId) ?? 0);
  }

  countOf(templateId: number): number {
    return this.#countOfTemplate.get(templateId) ?? 0;
  }

  get unfinishedCount(): number {
    return this.#unfinished.size;
  }

  /** An id for a new task; nobody else gets it. */
  reserveTaskId(): number {
    return this.#reserve('task');
  }

  putTask(task: TaskRecord): TaskRecord {
    this.#write({ k: 'task', v: task });
    return task;
  }

  /** Changes some fields; returns the new record. Throws InternalError when there is no such task. */
  changeTask(id: number, changes: Partial<Omit<TaskRecord, 'id'>>): TaskRecord {
    const task = this.#tasks.get(id);
    if (!task) throw new InternalError(`there is no task ${id}`);
    return this.putTask({ ...task, ...changes });
  }

  removeTask(id: number): void {
    this.#write({ k: 'task-removed', id });
  }

  // Runners

  runner(id: number): RunnerRecord | undefined {
    return this.#runners.get(id);
  }

  runners(): Iterable<RunnerRecord> {
    return this.#runners.values();
  }

  /** An id for a new runner; nobody else gets it. */
  reserveRunnerId(): number {
    return this.#reserve('runner');
  }

  putRunner(runner: RunnerRecord): RunnerRecord {
    this.#write({ k: 'runner', v: runner });
    return runner;
  }

  /** Changes some fields; with `transient`, in memory only until the next change (for heartbeats). */
  changeRunner(id: number, changes: Partial<Omit<RunnerRecord, 'id'>>, options?: { transient: boolean }): RunnerRecord {
    const runner = this.#runners.get(id);
    if (!runner) throw new InternalError(`there is no runner ${id}`);
    const changed = { ...runner, ...changes };
    if (options?.transient) this.#apply({ k: 'runner', v: changed });
    else this.putRunner(changed);
    return changed;
  }

  removeRunner(id: number): void {
    this.#write({ k: 'runner-removed', id });
  }

  #write(record: StateRecord): void {
    this.#append(record);
    this.#apply(record);
  }

  #append(record: StateRecord): void {
    if (!this.#journal) throw new InternalError('the state is not open');
    this.#journal.append(record);
  }

  #apply(record: StateRecord): void {
    switch (record.k) {
      case 'task':
        this.#applyTask(record.v);
        break;
      case 'task-removed':
        this.#forgetTask(record.id);
        break;
      case 'runner':
        this.#runners.set(record.v.id, record.v);
        this.#reach('runner', record.v.id);
        break;
      case 'runner-removed':
        this.#runners.delete(record.id);
        break;
      case 'id':
        this.ids.apply(record.v);
        break;
      case 'highest':
        for (const [kind, id] of Object.entries(record.ids)) this.#reach(kind, id);
        break;
      default:
        throw new InternalError(`unknown record ${JSON.stringify(record).slice(0, 80)}`);
    }
  }

  #applyTask(task: TaskRecord): void {
    if (!this.#tasks.has(task.id)) {
      this.#countOfTemplate.set(task.templateId, this.countOf(task.templateId) + 1);
      this.#lastOfTemplate.set(task.templateId, task.id);
    }
    this.#tasks.set(task.id, task);
    if (isFinished(task.status)) this.#unfinished.delete(task.id);
    else this.#unfinished.set(task.id, task);
    this.#reach('task', task.id);
  }

  #forgetTask(id: number): void {
    const task = this.#tasks.get(id);
    if (!task) return;
    this.#tasks.delete(id);
    this.#unfinished.delete(id);
    this.#countOfTemplate.set(task.templateId, this.countOf(task.templateId) - 1);
    if (this.#lastOfTemplate.get(task.templateId) !== id) return;
    const last = [...this.#tasks.values()].findLast(({ templateId }) => templateId === task.templateId);
    if (last) this.#lastOfTemplate.set(task.templateId, last.id);
    else this.#lastOfTemplate.delete(task.templateId);
  }

  #reserve(kind: string): number {
    const id = (this.#highest[kind] ?? 0) + 1;
    this.#reach(kind, id);
    return id;
  }

  #reach(kind: string, id: number): void {
    this.#highest[kind] = Math.max(this.#highest[kind] ?? 0, id);
  }

  *#snapshot(): Generator<StateRecord> {
    yield { k: 'highest', ids: { ...this.#highest } };
    yield* this.ids.records();
    for (const v of this.#runners.values()) yield { k: 'runner', v };
    for (const v of this.#tasks.values()) yield { k: 'task', v };
  }
}
