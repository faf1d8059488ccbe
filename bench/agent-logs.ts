import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setImmediate as tick } from 'node:timers/promises';
import { openJobLog, openStateDirectory } from '../src/agent/log/index.ts';
import { createTransport } from '../src/http/index.ts';
import { systemClock } from '../src/lib/index.ts';
import { readJobRequest } from '../src/protocol/ci/index.ts';
import type { Figure } from './table.ts';
import { Workbench } from './workbench.ts';

const events = 100_000;
const line = JSON.stringify({ event: 'cmd_output', timestamp: 1767225600, output: `${'x'.repeat(939)}\n` });

/**
 * The log of a job from the first event to the acknowledgement of the last, over a server in the same process that counts lines; and the end of
 * a job whose last event has just been written. Floor: the same requests without an agent.
 */
export async function agentLogs(): Promise<Figure[]> {
  const bench = new Workbench();
  const arrived = { lines: 0 };
  const server = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => {
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) arrived.lines += 1;
    });
    request.on('end', () => response.end());
  });
  const transport = await createTransport({ env: {} });
  try {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/logs/1`;
    const state = await openStateDirectory(join(bench.directory, 'state'));
    const quiet = (): void => undefined;
    const logger = { debug: quiet, info: quiet, warn: console.warn, error: console.error, child: () => logger };
    const open = () =>
      openJobLog({
        request: readJobRequest({ job_id: 'bench', logger: { method: 'push', url, token: 'token' } }),
        state,
        sealToken: 'token',
        upload: 'never',
        env: {},
        push: {
          transport,
          userAgent: 'SemaphoreAgent/bench',
          refresh: () => Promise.reject(new Error('the server has refused the token')),
          abandon: new AbortController().signal,
        },
        clock: systemClock,
        logger,
      });

    const began = performance.now();
    const log = await open();
    for (let index = 0; index < events; index += 1) {
      log.write(line);
      if (index % 64 === 0) await tick();
    }
    await log.close({});
    const seconds = (performance.now() - began) / 1000;
    if (arrived.lines !== events) throw new Error(`${arrived.lines} of ${events} lines have arrived`);

    const ending = await open();
    ending.write(line);
    while (arrived.lines <= events) await tick();
    const ended = performance.now();
    ending.write(line);
    await ending.close({});
    const endMs = performance.now() - ended;
    const megabytes = (events * (line.length + 1)) / 1e6;
    return [
      {
        name: `agent-logs: ${events} events of ${line.length + 1} B, acknowledged`,
        value: megabytes / seconds,
        unit: 'MB/s',
        floor: megabytes / (await bareSeconds(url)),
      },
      { name: 'agent-logs: from the last event to the end of the log', value: endMs, unit: 'ms' },
    ];
  } finally {
    transport.close();
    server.close();
    await bench.close();
  }
}

/** As many bytes in requests of half a megabyte, one after the other. */
async function bareSeconds(url: string): Promise<number> {
  const body = Buffer.from(`${line}\n`.repeat(Math.floor((512 * 1024) / (line.length + 1))));
  const count = Math.ceil((events * (line.length + 1)) / body.length);
  const began = performance.now();
  for (let index = 0; index < count; index += 1) await (await fetch(url, { method: 'POST', body })).arrayBuffer();
  return (performance.now() - began) / 1000;
}
