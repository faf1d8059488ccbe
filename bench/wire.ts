import { ProtocolServer } from './protocol-server.ts';
import { percentile, type Figure } from './table.ts';
import { until, Workbench } from './workbench.ts';

/** A line every 37 ms for 15 s; the prime step lands everywhere between two reports. */
const script = 'for i in $(seq 400); do echo "$EPOCHREALTIME"; sleep 0.037; done\n';

/** From the moment a script writes a line, by its own clock, to the arrival of the request that carries it. */
export async function wire(): Promise<Figure[]> {
  const bench = new Workbench();
  const server = new ProtocolServer();
  try {
    const repository = await bench.repository({ 'tick.sh': script });
    const url = await server.listen();
    bench.runner(url);
    server.offer(1, repository, 'tick.sh');
    await until('the task is over', () => server.seen.get(1)?.status === 'success', 60_000);
    const delays = (server.seen.get(1)?.lines ?? [])
      .filter((line) => /^\d+[.,]\d{6}$/.test(line.message))
      .map((line) => line.at - Number(line.message.replace(',', '.')) * 1000);
    return [
      { name: 'line written to on the wire, p50', value: percentile(delays, 0.5), unit: 'ms' },
      { name: 'line written to on the wire, p99', value: percentile(delays, 0.99), unit: 'ms', goal: { atMost: 300 } },
    ];
  } finally {
    server.close();
    await bench.close();
  }
}
