import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Embedded } from './embedded.ts';
import type { Figure } from './table.ts';
import { memoryOf, until, Workbench } from './workbench.ts';

const lines = 1_000_000;
/** 72 bytes a line, its end included: a number and a text of the usual kind. */
const manyLines = `echo "$EPOCHREALTIME"\nawk 'BEGIN { for (i = 1; i <= ${lines}; i++) printf "%07d ok: [web1.example.com] => task output of an ordinary playbook run\\n", i }'\n`;
const longBytes = 100_000_000;
const longLine = `echo "$EPOCHREALTIME"\nhead -c ${longBytes} /dev/zero | tr '\\0' '~'\n`;

/**
 * From the start of the script, by its own clock, to the server's acknowledgement of its last line, through the embedded
 * server. Floor: the same tool writing to a file, and `wc` reading it.
 */
export async function logs(): Promise<Figure[]> {
  const bench = new Workbench();
  try {
    const repository = await bench.repository({ 'many.sh': manyLines, 'long.sh': longLine });
    const { server, url } = await Embedded.start(bench, ['many.sh', 'long.sh'], repository);
    const runner = bench.runner(url, { token: await server.register(4) });

    const [bytes, floorSeconds] = bareRun(bench.directory);
    const many = await timed(server, 1);
    const peak = memoryOf(runner).peak;
    const missing = await missingLines(server, many.id);
    const long = await timed(server, 2);
    const longSeen = await outputBytes(server, long.id, '~'.charCodeAt(0));
    if (missing > 0) throw new Error(`${missing} lines are missing or out of order on the server`);
    if (longSeen !== longBytes) throw new Error(`${longSeen} of ${longBytes} bytes of the long line are on the server`);
    return [
      {
        name: `${lines / 1e6} million lines to the acknowledgement`,
        value: bytes / 1e6 / many.seconds,
        unit: 'MB/s',
        goal: { atLeast: 40 },
        floor: bytes / 1e6 / floorSeconds,
      },
      { name: 'the same: peak memory of the runner', value: peak, unit: 'MB', goal: { atMost: 150 } },
      { name: 'one line of 100 MB, complete', value: longBytes / 1e6 / long.seconds, unit: 'MB/s' },
      { name: 'the same: peak memory of the runner', value: memoryOf(runner).peak, unit: 'MB', goal: { atMost: 150 } },
    ];
  } finally {
    await bench.close();
  }
}

async function timed(server: Embedded, template: number): Promise<{ id: number; seconds: number }> {
  const id = await server.createTask(template);
  await until('the task is over', async () => (await server.status(id)) === 'success', 120_000);
  const end = Date.now() / 1000;
  return { id, seconds: end - (await scriptStart(server, id)) };
}

/** The first line that a script printed: seconds since the epoch. */
async function scriptStart(server: Embedded, id: number): Promise<number> {
  let head = '';
  for await (const chunk of (await server.rawOutput(id)).body ?? []) {
    head += Buffer.from(chunk).toString();
    const stamp = /^(\d+[.,]\d{6})$/m.exec(head)?.[1];
    if (stamp !== undefined) return Number(stamp.replace(',', '.'));
  }
  throw new Error('the script printed no time');
}

function bareRun(directory: string): [bytes: number, seconds: number] {
  const file = join(directory, 'bare.log');
  const start = process.hrtime.bigint();
  spawnSync('bash', ['-c', `{ ${manyLines.trim()}; } > "$0"; wc -l "$0" > /dev/null`, file]);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const size = spawnSync('stat', ['-c', '%s', file], { encoding: 'utf8' });
  return [Number(size.stdout), seconds];
}

/** Numbered lines that are not where they should be. */
async function missingLines(server: Embedded, id: number): Promise<number> {
  let expected = 1;
  let rest = '';
  for await (const chunk of (await server.rawOutput(id)).body ?? []) {
    const parts = (rest + Buffer.from(chunk).toString()).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) if (line.startsWith(String(expected).padStart(7, '0'))) expected += 1;
  }
  return lines - (expected - 1);
}

async function outputBytes(server: Embedded, id: number, byte: number): Promise<number> {
  let count = 0;
  for await (const chunk of (await server.rawOutput(id)).body ?? [])
    for (const value of chunk) if (value === byte) count += 1;
  return count;
}
