import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { StepLog } from '../../../src/executors/containers/step-log.ts';
import { JobDirectory, Seal } from '../../../src/execution/index.ts';
import { canMount, SmallDisk } from '../../support/small-disk.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** The log of one step, which one runner after the other writes. */
async function stepLog(root = tempDir()) {
  const [jobs, seal] = [join(root, 'jobs'), Seal.fromToken('test')];
  const created = await JobDirectory.create(jobs, 1, '{}', seal);
  created.record({ type: 'step-starting', key: 'run', index: 1, stop: { signal: 'SIGTERM', graceMs: 0 } });
  created.close();
  const open = (): { log: StepLog; directory: JobDirectory } => {
    const directory = JobDirectory.open(jobs, 1, seal);
    if (!directory) throw new Error('there is no job');
    onTestFinished(() => directory.close());
    return { log: new StepLog(directory), directory };
  };
  return { open, text: () => readFileSync(created.logPath, 'utf8') };
}

/** Numbers that look like chance, and are the same every time. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}

describe('the log of a step that writes elsewhere', () => {
  it.each([1, 2, 3, 4, 5])(
    'has all of its output, once, whatever is said in between and whoever is killed (%i)',
    async (seed) => {
      const { open, text } = await stepLog();
      const below = numbers(seed);
      // Lines of ours have a mark and are whole lines, so what is left without them is the output, and line feeds before them.
      const output = Buffer.from(
        Array.from({ length: 300 }, (_value, index) => `${index}${below(3) === 0 ? '\n' : ','}`).join(''),
      );
      const said: string[] = [];
      let { log } = open();
      let isBegun = false;
      for (let turn = 0; turn < 500; turn += 1) {
        const choice = below(10);
        if (choice === 0) {
          // As if killed: nothing is closed, nothing more is noted.
          ({ log } = open());
          isBegun = false;
        } else if (choice < 4) {
          said.push(`[${said.length}]`);
          log.appendLine(`[${said.length - 1}]`, { isCounted: below(2) === 0 });
        } else {
          if (!isBegun) log.begin(1);
          isBegun = true;
          const start = log.copied;
          expect(log.append(output.subarray(start, start + below(8)))).toBe(true);
        }
      }
      log.begin(1);
      expect(log.append(output.subarray(log.copied))).toBe(true);
      const all = text();
      expect(all.match(/^\[\d+\]$/gm)).toEqual(said);
      expect(all.replaceAll(/\[\d+\]\n/g, '').replaceAll('\n', '')).toBe(output.toString().replaceAll('\n', ''));
    },
  );

  it('begins anew with the next step', async () => {
    const { open, text } = await stepLog();
    const { log, directory } = open();
    log.begin(1);
    log.append(Buffer.from('one\n'));
    directory.record({ type: 'step-ended', key: 'run', index: 1, result: { kind: 'exited', code: 0 } });
    log.end();
    const next = open();
    next.log.begin(2);
    expect(next.log.copied).toBe(0);
    next.log.append(Buffer.from('two\n'));
    expect(text()).toBe('one\ntwo\n');
  });

  it.runIf(canMount())('goes on where it was when the disk had no room', async () => {
    const disk = SmallDisk.mount(1);
    const { open, text } = await stepLog(disk.path);
    const { log } = open();
    log.begin(1);
    expect(log.append(Buffer.from('begin\n'))).toBe(true);
    disk.fill();
    const line = Buffer.alloc(100_000, 'x');
    expect(log.append(line)).toBe(false);
    log.appendLine('ours', { isCounted: true });
    const copied = log.copied;
    expect(log.append(line.subarray(copied - 6))).toBe(false);
    expect(log.copied).toBe(copied);
    disk.free();
    const all = Buffer.concat([Buffer.from('begin\n'), line]);
    expect(log.append(all.subarray(log.copied))).toBe(true);
    const { log: next } = open();
    next.begin(1);
    expect(next.copied).toBe(all.length);
    expect(text().replace(/\n?ours\n/, '')).toBe(all.toString());
  });
});
