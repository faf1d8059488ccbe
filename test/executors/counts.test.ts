import { describe, expect, it } from 'vitest';
import { Counts } from '../../src/executors/counts.ts';

describe('Counts', () => {
  it('know what was done inside some work, and not what was done beside it meanwhile', () => {
    const counts = new Counts(0);
    const outer = counts.inside();
    expect(outer.turn('step')).toBe(0);
    const inner = outer.inside();
    expect([counts.turn('beside'), counts.line()]).toEqual([0, 0]);
    expect([inner.line(), inner.turn('step')]).toEqual([1, 1]);
    expect(inner.done).toEqual({ turns: [['step', 1]], lines: 1 });
    expect(outer.done).toEqual({ turns: [['step', 2]], lines: 1 });
    expect([counts.turn('step'), counts.turn('beside'), counts.line()]).toEqual([2, 1, 2]);
  });

  it('go on behind what is not done again, also inside of other work', () => {
    const counts = new Counts(3);
    const inside = counts.inside();
    inside.add({ turns: [['step', 2]], lines: 4 });
    expect(inside.done).toEqual({ turns: [['step', 2]], lines: 4 });
    expect([counts.turn('step'), counts.line()]).toEqual([2, 7]);
  });
});
