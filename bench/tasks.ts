import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Embedded } from './embedded.ts';
import type { Figure } from './table.ts';
import { until, Workbench } from './workbench.ts';

const tasks = 200;
const parallel = 4;

/**
 * No-op tasks through the embedded server and one runner. Floor: the processes a task cannot do without (update the mirror,
 * update the checkout, read the commit, run the script), four at a time, with nothing around them.
 */
export async function throughput(): Promise<Figure[]> {
  const bench = new Workbench();
  try {
    const repository = bench.repository({ 'noop.sh': ':\n' });
    const floor = await bare(bench.directory, repository);
    const { server, url } = await Embedded.start(bench, ['noop.sh'], repository);
    const token = await server.register(parallel);
    bench.runner(url, { token, max_parallel_tasks: parallel });
    const first = await server.createTask(1);
    await until('the first task is over', async () => (await server.status(first)) === 'success');
    const start = Date.now();
    const ids = new Set<number>();
    for (let count = 0; count < tasks; count += 1) ids.add(await server.createTask(1));
    await until('all tasks are over', async () => (await server.finished(ids)) === tasks, 120_000, 50);
    const perSecond = (tasks / (Date.now() - start)) * 1000;
    return [
      {
        name: `${tasks} no-op tasks, ${parallel} at a time`,
        value: perSecond,
        unit: 'tasks/s',
        goal: { atLeast: 25 },
        floor,
      },
    ];
  } finally {
    await bench.close();
  }
}

async function bare(directory: string, repository: string): Promise<number> {
  const root = join(directory, 'bare');
  mkdirSync(root);
  const git = ['-c', 'safe.directory=*'];
  await run('git', ['clone', '-q', '--mirror', repository, join(root, 'mirror')]);
  for (let worker = 0; worker < parallel; worker += 1) {
    await run('git', ['clone', '-q', '--shared', join(root, 'mirror'), join(root, `tree${worker}`)]);
  }
  const start = Date.now();
  const work = async (worker: number): Promise<void> => {
    const tree = join(root, `tree${worker}`);
    for (let count = 0; count < tasks / parallel; count += 1) {
      await run('git', [
        ...git,
        '-C',
        join(root, 'mirror'),
        'fetch',
        '-q',
        'origin',
        `+main:refs/heads/worker${worker}`,
      ]);
      await run('git', [...git, '-C', tree, 'checkout', '-q', '--force', '--detach', 'HEAD']);
      await run('git', [...git, '-C', tree, 'log', '-1', '--format=%H%n%s']);
      await run('bash', [join(tree, 'noop.sh')]);
    }
  };
  await Promise.all(Array.from({ length: parallel }, (_, worker) => work(worker)));
  return (tasks / (Date.now() - start)) * 1000;
}

function run(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    spawn(command, args, { stdio: 'ignore' }).once('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${command} ${args.join(' ')} ended with ${code}`));
    });
  });
}
