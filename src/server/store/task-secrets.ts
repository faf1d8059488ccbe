import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, writeFileAtomic } from '../../lib/index.ts';

/**
 * Answers to secret questions of tasks that are not finished, one private file each: they outlive a restart of the server, but
 * not their task, and never stand in the journal.
 */
export class TaskSecrets {
  readonly #dir: string;
  readonly #known = new Map<number, string>();

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** Reads what the given tasks still need. */
  static async open(dir: string, taskIds: Iterable<number>): Promise<TaskSecrets> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const secrets = new TaskSecrets(dir);
    for (const id of taskIds) {
      try {
        secrets.#known.set(id, await readFile(secrets.#path(id), 'utf8'));
      } catch (error: unknown) {
        // Gone by hand: the task is delivered without them, and will say which variable is missing.
        if (codeOf(error) !== 'ENOENT') throw error;
      }
    }
    return secrets;
  }

  /** Keeps a JSON object text. */
  async put(taskId: number, json: string): Promise<void> {
    await writeFileAtomic(this.#path(taskId), json);
    this.#known.set(taskId, json);
  }

  get(taskId: number): string | undefined {
    return this.#known.get(taskId);
  }

  async remove(taskId: number): Promise<void> {
    if (this.#known.delete(taskId)) await rm(this.#path(taskId), { force: true });
  }

  #path(taskId: number): string {
    return join(this.#dir, `${taskId}.json`);
  }
}
