import { setTimeout as sleep } from 'node:timers/promises';
import { ProtocolServer } from './protocol-server.ts';
import type { Figure } from './table.ts';
import { memoryOf, processorSeconds, until, Workbench } from './workbench.ts';

const seconds = 60;

/** A connected runner with nothing to do, polling once a second. Floor: a Node.js process that only has a timer. */
export async function idle(): Promise<Figure[]> {
  const bench = new Workbench();
  const server = new ProtocolServer();
  try {
    const empty = bench.node(['-e', 'setInterval(() => {}, 1000)']);
    const runner = bench.runner(await server.listen(), { check_interval_seconds: 1 });
    await until('the runner polls', () => server.polls >= 3);
    const before = processorSeconds(runner);
    const emptyBefore = processorSeconds(empty);
    await sleep(seconds * 1000);
    const share = ((processorSeconds(runner) - before) / seconds) * 100;
    const emptyShare = ((processorSeconds(empty) - emptyBefore) / seconds) * 100;
    return [
      {
        name: 'idle: resident memory after a minute',
        value: memoryOf(runner).now,
        unit: 'MB',
        goal: { atMost: 80 },
        floor: memoryOf(empty).now,
      },
      { name: 'idle: share of a core', value: share, unit: '%', goal: { atMost: 0.5 }, floor: emptyShare },
    ];
  } finally {
    server.close();
    await bench.close();
  }
}
