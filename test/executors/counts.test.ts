import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Counts } from '../../src/executors/counts.ts';

describe('Counts', () => {
  it('knows what was done inside some work, and not what was done beside it meanwhile', async () => {
    const counts = new Counts(0);
    const outer = counts.during(async () => {
      counts.turn('step');
      await delay(5);
      const { inside } = await counts.during(async () => {
        await delay(5);
        counts.line();
        counts.turn('step');
      });
      return inside;
    });
    counts.turn('beside');
    await delay(7);
    counts.line();
    const { inside, value } = await outer;
    expect(value).toEqual({ turns: [['step', 1]], lines: 1 });
    expect(inside).toEqual({ turns: [['step', 2]], lines: 1 });
    expect([counts.turn('step'), counts.turn('beside'), counts.line()]).toEqual([2, 1, 2]);
  });

  it('goes on behind what is not done again, also inside of other work', async () => {
    const counts = new Counts(3);
    const { inside } = await counts.during(async () => {
      counts.skip({ turns: [['step', 2]], lines: 4 });
      return Promise.resolve();
    });
    expect(inside).toEqual({ turns: [['step', 2]], lines: 4 });
    expect([counts.turn('step'), counts.line()]).toEqual([2, 7]);
  });
});
