import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The processes that a task with a cached repository cannot do without, with nothing around them: update the mirror, read the
 * commit, update the checkout, run the script.
 */
export class BareTask {
  readonly #mirror: string;
  readonly #tree: string;
  readonly #script: string;

  private constructor(mirror: string, tree: string, script: string) {
    this.#mirror = mirror;
    this.#tree = tree;
    this.#script = script;
  }

  /** Clones `repository` for `count` tasks at a time. */
  static async prepare(directory: string, repository: string, script: string, count: number): Promise<BareTask[]> {
    const root = join(directory, 'bare');
    const mirror = join(root, 'mirror');
    mkdirSync(root);
    await run('git', ['clone', '-q', '--mirror', repository, mirror]);
    const tasks: BareTask[] = [];
    for (let index = 0; index < count; index += 1) {
      const tree = join(root, `tree${index}`);
      await run('git', ['clone', '-q', '--shared', mirror, tree]);
      tasks.push(new BareTask(mirror, tree, script));
    }
    return tasks;
  }

  async run(): Promise<void> {
    const git = (directory: string, ...args: string[]) =>
      run('git', ['-c', 'safe.directory=*', '-C', directory, ...args]);
    await git(this.#mirror, 'fetch', '-q', '--prune', 'origin');
    await git(this.#mirror, 'log', '-1', '--format=%H%n%s', 'main');
    await git(this.#tree, 'checkout', '-q', '--force', '--detach', 'HEAD');
    await run('bash', [join(this.#tree, this.#script)]);
  }
}

function run(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    spawn(command, args, { stdio: 'ignore' }).once('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${command} ${args.join(' ')} ended with ${code}`));
    });
  });
}
