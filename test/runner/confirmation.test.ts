import { describe, expect, it } from 'vitest';
import { Confirmation } from '../../src/runner/confirmation.ts';

function stage() {
  const stop = new AbortController();
  const asked: number[] = [];
  const confirmation = new Confirmation(stop.signal, () => asked.push(asked.length + 1));
  return { stop, asked, confirmation };
}

/** Long enough for every promise that can settle to have done so. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('Confirmation', () => {
  it('asks and resolves with the decision', async () => {
    const { asked, confirmation } = stage();
    const decision = confirmation.wait();
    expect(asked).toEqual([1]);
    confirmation.seen('waiting_confirmation');
    confirmation.decide('rejected');
    expect(await decision).toBe('rejected');
  });

  it('puts a second question only when the server knows that the task went on, and hears no old decision', async () => {
    const { asked, confirmation } = stage();
    const first = confirmation.wait();
    confirmation.decide('confirmed');
    await first;
    const second = confirmation.wait();
    let over = false;
    void second.then(() => (over = true));
    confirmation.seen('confirmed');
    confirmation.decide('confirmed');
    await settled();
    expect([asked, over]).toEqual([[1], false]);
    confirmation.seen('running');
    await settled();
    expect([asked, over]).toEqual([[1, 2], false]);
    confirmation.decide('rejected');
    expect(await second).toBe('rejected');
  });

  it('asks at once when the server knew before', async () => {
    const { asked, confirmation } = stage();
    const first = confirmation.wait();
    confirmation.decide('confirmed');
    await first;
    confirmation.seen('running');
    void confirmation.wait();
    expect(asked).toEqual([1, 2]);
  });

  it('ignores a decision that nobody waits for', async () => {
    const { asked, confirmation } = stage();
    confirmation.decide('confirmed');
    void confirmation.wait();
    expect(asked).toEqual([1]);
  });

  it('of an earlier process is open still: not asked again, and answered also before the task waits', async () => {
    const { asked, confirmation } = stage();
    confirmation.resume('open');
    const late = stage();
    late.confirmation.resume('open');
    const decision = late.confirmation.wait();
    late.confirmation.decide('rejected');
    expect(await decision).toBe('rejected');
    confirmation.decide('confirmed');
    expect(await confirmation.wait()).toBe('confirmed');
    expect([...asked, ...late.asked]).toEqual([]);
  });

  it('uses an answer that an earlier process had heard and not used', async () => {
    const { asked, confirmation } = stage();
    confirmation.resume('confirmed');
    expect(await confirmation.wait()).toBe('confirmed');
    expect(asked).toEqual([]);
  });

  it('takes no answer to an earlier question for one to the next', async () => {
    for (const earlier of ['open', 'confirmed', 'past'] as const) {
      const { asked, confirmation } = stage();
      confirmation.resume(earlier);
      if (earlier === 'open') confirmation.decide('confirmed');
      confirmation.withdraw();
      void confirmation.wait();
      confirmation.decide('confirmed');
      await settled();
      expect(asked).toEqual([]);
      confirmation.seen('running');
      await settled();
      expect(asked).toEqual([1]);
    }
  });

  it('ends with the task, while asking, while waiting for the server, and before', async () => {
    const { stop, asked, confirmation } = stage();
    const first = confirmation.wait();
    confirmation.decide('confirmed');
    await first;
    const second = confirmation.wait();
    stop.abort(new Error('over'));
    await expect(second).rejects.toThrow('over');
    confirmation.seen('running');
    await expect(confirmation.wait()).rejects.toThrow('over');
    expect(asked).toEqual([1]);

    const other = stage();
    const asking = other.confirmation.wait();
    other.stop.abort(new Error('over'));
    await expect(asking).rejects.toThrow('over');
  });
});
