import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startHub } from '../src/agent/playground/hub/index.ts';
import { percentile, type Figure } from './table.ts';
import { until } from './workbench.ts';

const jobs = 20;

/**
 * From the request of an agent for a job to the moment its first command runs, by the command's own clock (bash's EPOCHREALTIME): the
 * answer, a new login shell, variables and files. Floor: a login shell that runs the same command, spawned directly.
 */
export async function agent(): Promise<Figure[]> {
  const home = mkdtempSync(join(tmpdir(), 'semaphore-bench-agent-'));
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, TMPDIR: home };
  const hub = await startHub({ nextSyncAfterMs: [20, 40], intervalSlackMs: 1000 });
  const bin = join(import.meta.dirname, '../bin/agent');
  const args = ['start', '--endpoint', hub.endpoint, '--token', hub.token, '--no-https', '--name', 'bench-agent'];
  const child = spawn(bin, args, { env, cwd: home, stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('close', resolve));
  try {
    const delays: number[] = [];
    for (let count = 0; count <= jobs; count += 1) {
      const id = hub.enqueue({
        env_vars: [{ name: 'CI', value: 'dHJ1ZQ==' }],
        commands: [{ directive: 'echo "$EPOCHREALTIME"' }],
      });
      await until('a job is over', () => hub.job(id).result !== undefined);
      const asked = hub.exchanges().find(({ path }) => path === `/jobs/${id}`)?.atMs ?? Number.NaN;
      const stamp = /"output":"(\d+)[.,](\d{6})/.exec(hub.job(id).lines.join('\n'));
      if (count > 0) delays.push(Number(`${stamp?.[1] ?? ''}.${stamp?.[2] ?? ''}`) * 1000 - asked);
    }
    const floor: number[] = [];
    for (let count = 0; count < jobs; count += 1) floor.push(await bareShell(env));
    return [
      {
        name: 'received job to first command, p50',
        value: percentile(delays, 0.5),
        unit: 'ms',
        goal: { atMost: 150 },
        floor: percentile(floor, 0.5),
      },
      {
        name: 'received job to first command, p95',
        value: percentile(delays, 0.95),
        unit: 'ms',
        goal: { atMost: 150 },
        floor: percentile(floor, 0.95),
      },
    ];
  } finally {
    hub.disable('bench-agent');
    await ended;
    await hub.close();
    rmSync(home, { recursive: true, force: true });
  }
}

async function bareShell(env: Readonly<Record<string, string>>): Promise<number> {
  const start = performance.now();
  const shell = spawn('bash', ['--login', '-i', '-c', 'echo "$EPOCHREALTIME"'], { env, stdio: 'ignore' });
  await new Promise((resolve) => shell.once('close', resolve));
  return performance.now() - start;
}
