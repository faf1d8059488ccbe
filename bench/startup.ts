import { spawnSync } from 'node:child_process';
import { percentile, type Figure } from './table.ts';
import { program } from './workbench.ts';

const rounds = 25;

function time(args: readonly string[]): number {
  const start = process.hrtime.bigint();
  const run = spawnSync(process.execPath, args, { stdio: 'ignore' });
  if (run.status !== 0) throw new Error(`node ${args.join(' ')} ended with ${run.status}`);
  return Number(process.hrtime.bigint() - start) / 1e6;
}

/** Whole processes, the three in turn; medians. */
export function startup(): Figure[] {
  const bare: number[] = [];
  const version: number[] = [];
  const help: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    bare.push(time(['-e', '0']));
    version.push(time([program, '--version']));
    help.push(time([program, 'runner', '--help']));
  }
  const floor = percentile(bare, 0.5);
  return [
    { name: 'semaphore --version', value: percentile(version, 0.5), unit: 'ms', goal: { atMost: floor * 1.5 }, floor },
    { name: 'semaphore runner --help', value: percentile(help, 0.5), unit: 'ms', goal: { atMost: floor * 3 }, floor },
  ];
}
