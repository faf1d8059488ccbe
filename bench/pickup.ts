import { BareTask } from './bare.ts';
import { ProtocolServer } from './protocol-server.ts';
import { percentile, type Figure } from './table.ts';
import { until, Workbench } from './workbench.ts';

const tasks = 100;

/**
 * From the answer that carries a task to the moment its script runs, by the script's own clock (bash's EPOCHREALTIME). The
 * repository is cached by a first task. Floor: the same processes spawned directly, to the end of the script.
 */
export async function pickup(): Promise<Figure[]> {
  const bench = new Workbench();
  const server = new ProtocolServer();
  try {
    const repository = await bench.repository({ 'hello.sh': 'echo "$EPOCHREALTIME"\n' });
    const floor = await bare(bench.directory, repository);
    const url = await server.listen();
    bench.runner(url, { check_interval_seconds: 1 });
    const delays: number[] = [];
    for (let id = 1; id <= tasks + 1; id += 1) {
      server.offer(id, repository, 'hello.sh');
      await until('a task is over', () => server.seen.get(id)?.status === 'success');
      const seen = server.seen.get(id);
      const stamp =
        Number(seen?.lines.find((line) => /^\d+[.,]\d{6}$/.test(line.message))?.message.replace(',', '.')) * 1000;
      if (id > 1 && seen) delays.push(stamp - seen.offeredAt);
    }
    return [
      {
        name: 'received task to first output, p50',
        value: percentile(delays, 0.5),
        unit: 'ms',
        goal: { atMost: 50 },
        floor: percentile(floor, 0.5),
      },
      {
        name: 'received task to first output, p99',
        value: percentile(delays, 0.99),
        unit: 'ms',
        goal: { atMost: 150 },
        floor: percentile(floor, 0.99),
      },
    ];
  } finally {
    server.close();
    await bench.close();
  }
}

async function bare(directory: string, repository: string): Promise<number[]> {
  const [task] = await BareTask.prepare(directory, repository, 'hello.sh', 1);
  const times: number[] = [];
  for (let count = 0; count < tasks; count += 1) {
    const start = performance.now();
    await task?.run();
    times.push(performance.now() - start);
  }
  return times;
}
