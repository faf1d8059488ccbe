import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { drainingText, listenForShutdown } from '../../src/cli/index.ts';

/** The listeners of a process, without ending the one that runs the tests. */
function fakeProcess() {
  const emitter = new EventEmitter();
  return { emitter, target: emitter as unknown as Pick<NodeJS.Process, 'on' | 'off'> };
}

describe('shutdown', () => {
  it('drains at the first signal and cancels at the second, whichever they are', () => {
    const { emitter, target } = fakeProcess();
    const { signals } = listenForShutdown(target);
    expect([signals.drain.aborted, signals.cancel.aborted]).toEqual([false, false]);
    emitter.emit('SIGTERM', 'SIGTERM');
    expect([signals.drain.aborted, signals.cancel.aborted, signals.drain.reason]).toEqual([true, false, 'SIGTERM']);
    emitter.emit('SIGINT', 'SIGINT');
    expect([signals.cancel.aborted, signals.cancel.reason]).toEqual([true, 'SIGINT']);
    emitter.emit('SIGTERM', 'SIGTERM');
    expect(signals.cancel.reason).toBe('SIGINT');
  });

  it('registers its handlers once and releases them', () => {
    const { emitter, target } = fakeProcess();
    const listener = listenForShutdown(target);
    expect(emitter.listenerCount('SIGTERM') + emitter.listenerCount('SIGINT')).toBe(2);
    expect(emitter.listenerCount('SIGHUP')).toBe(0);
    listener.release();
    expect(emitter.eventNames()).toEqual([]);
  });

  it('tells a person what happens', () => {
    expect([0, 1, 3].map(drainingText)).toEqual([
      'Ending; nothing is running.',
      'Finishing 1 running task; press Ctrl-C again to cancel it.',
      'Finishing 3 running tasks; press Ctrl-C again to cancel them.',
    ]);
  });
});
