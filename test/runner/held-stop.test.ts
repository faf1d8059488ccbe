import { describe, expect, it } from 'vitest';
import { systemClock, type Clock } from '../../src/lib/index.ts';
import { HeldStop } from '../../src/runner/executors/held-stop.ts';
import { Replay, type MakeHost } from '../../src/runner/executors/replay.ts';
import type { TaskHost } from '../../src/tasks/index.ts';

/** A clock whose waits end when the test says so. */
function handClock() {
  const wakers: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    sleep: (_ms, signal) =>
      new Promise((resolve, reject) => {
        wakers.push(resolve);
        signal?.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
      }),
  };
  return { clock, wakers };
}

describe('the stop of a task', () => {
  it('is passed on at once when nothing is played again', () => {
    const outer = new AbortController();
    const stop = new HeldStop(outer.signal, false, systemClock);
    expect(stop.signal.aborted).toBe(false);
    outer.abort('why');
    expect(stop.signal).toMatchObject({ aborted: true, reason: 'why' });
  });

  it('that comes while it is played again is held back until it is where it was', () => {
    const outer = new AbortController();
    const { clock, wakers } = handClock();
    const [early, late] = [new HeldStop(outer.signal, true, clock), new HeldStop(outer.signal, true, clock)];
    late.release();
    outer.abort('why');
    expect([early.signal.aborted, late.signal.aborted]).toEqual([false, true]);
    expect(wakers).toHaveLength(1);
    early.release();
    expect(early.signal).toMatchObject({ aborted: true, reason: 'why' });
  });

  it('that came before is held back, too, but not for ever', async () => {
    const { clock, wakers } = handClock();
    const stop = new HeldStop(AbortSignal.abort('why'), true, clock);
    expect(stop.signal.aborted).toBe(false);
    const passed = new Promise((resolve) => stop.signal.addEventListener('abort', resolve));
    wakers[0]?.();
    await passed;
    expect(stop.signal.reason).toBe('why');
  });
});

describe('the last line of a task', () => {
  /** Notes which host said what. */
  function rig() {
    const said: string[] = [];
    const live: (() => void)[] = [];
    const make: MakeHost = ({ atEnd, onLive, resumed }) => {
      live.push(onLive);
      const who = atEnd ? 'at the end' : resumed ? 'played' : 'new';
      return { log: (line: string) => said.push(`${who}: ${line}`) } as Partial<TaskHost> as TaskHost;
    };
    return { live, make, said };
  }

  it('follows what was said', () => {
    const { live, make, said } = rig();
    new Replay('new', make).sayLast('one');
    const played = new Replay('play', make);
    live[1]?.();
    played.sayLast('two');
    expect(said).toEqual(['new: one', 'played: two']);
  });

  it('of one that has not come as far as it had been is not taken for an earlier line', () => {
    const { make, said } = rig();
    const played = new Replay('play', make);
    played.sayLast('one');
    played.sayLast('two');
    new Replay('end', make).sayLast('three');
    expect(said).toEqual(['at the end: one', 'at the end: two', 'at the end: three']);
  });
});
