import { BareTask } from './bare.ts';
import { Embedded } from './embedded.ts';
import type { Figure } from './table.ts';
import { until, Workbench } from './workbench.ts';

const tasks = 200;
const parallel = 4;

/**
 * No-op tasks through the embedded server and one runner. Floor: the same processes spawned directly, four at a time.
 */
export async function throughput(): Promise<Figure[]> {
  const bench = new Workbench();
  try {
    const repository = await bench.repository({ 'noop.sh': ':\n' });
    const floor = await bare(bench.directory, repository);
    const { server, url } = await Embedded.start(bench, ['noop.sh'], repository);
    const token = await server.register(parallel);
    bench.runner(url, { token, max_parallel_tasks: parallel });
    const first = await server.createTask(1);
    await until('the first task is over', async () => (await server.status(first)) === 'success');
    const start = Date.now();
    const ids = new Set<number>();
    for (let count = 0; count < tasks; count += 1) ids.add(await server.createTask(1));
    await until('all tasks are over', async () => (await server.finished(ids)) === tasks, 120_000, 100);
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
  const workers = await BareTask.prepare(directory, repository, 'noop.sh', parallel);
  const start = Date.now();
  await Promise.all(
    workers.map(async (worker) => {
      for (let count = 0; count < tasks / parallel; count += 1) await worker.run();
    }),
  );
  return (tasks / (Date.now() - start)) * 1000;
}
