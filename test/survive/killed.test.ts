import { describe, expect, it } from 'vitest';
import { createWorld } from '../support/e2e/world.ts';
import { nothing } from '../support/kill-harness/aftermath.ts';
import { pointsOf, randomFrom, sample } from '../support/kill-harness/points.ts';
import type { End } from '../support/kill-harness/survive.ts';
import { makeTrials, type Trial } from '../support/kill-harness/trials.ts';
import { quickScript, scriptTemplate, secretGroup, secrets, tryAll } from './tasks.ts';

/**
 * A runner that is killed and started again, whenever that is. What comes of its task is compared with what comes of one that
 * nobody disturbed: every byte of the log in its order and once, one final status, the tool started once and not disturbed,
 * no process and no file left.
 */

const seed = Number(process.env['SURVIVE_SEED'] ?? 4711);
const random = randomFrom(seed);

async function trials(choose: (trace: readonly string[]) => readonly Trial[]) {
  const result = await makeTrials({
    makeWorld: () =>
      createWorld({
        files: { 'quick.sh': quickScript },
        project: { variable_groups: [secretGroup], templates: [scriptTemplate(1, 'quick.sh')] },
      }),
    taskIn: (world) => ({ world, template: 1, secrets }),
    choose,
  });
  expect(result.reference).toMatchObject({
    status: 'success',
    statuses: ['waiting', 'starting', 'running', 'success'],
    marks: ['started', 'ended'],
    left: nothing,
  });
  const { log } = result.reference;
  expect(log.filter((line) => /^line \d+/.test(line))).toHaveLength(30);
  expect(log.join('\n')).toMatch(/the word is \*+\n[^]*the words are \*+\nno line end$/);
  return result;
}

/** Where a task stands: what the runner writes down of it, and what it and the server tell each other. */
const isStateChange = ({ label }: { label: string }): boolean =>
  /^(event|PUT|GET) |^(write acked|rm job|rename job)$/.test(label);

describe('a runner that is killed', () => {
  it('at any state change of its task, and started again, brings it to the same end', async () => {
    const { complaints, kills } = await trials((trace) => {
      const points = pointsOf(trace);
      const changes = points.filter(isStateChange);
      const chosen = tryAll ? points : [...sample(changes, 14, random), ...sample(points, 6, random)];
      return chosen.map((point) => ({ ends: [point] }));
    });
    expect(complaints).toEqual([]);
    expect(kills).toBeGreaterThan(tryAll ? 200 : 14);
  }, 900_000);

  it('around the final status, before and after its acknowledgement, reports it once', async () => {
    const ends: End[] = [
      { label: 'event step-ended run', nth: 1, moment: 'before' },
      { label: 'event status success', nth: 1, moment: 'before' },
      { label: 'event status success', nth: 1, moment: 'after' },
      { label: 'PUT sent', nth: 1, moment: 'after', once: 'event status success' },
      { label: 'PUT answered', nth: 1, moment: 'after', once: 'event status success' },
      { label: 'write acked', nth: 1, moment: 'after', once: 'event status success' },
      { label: 'rm .*', nth: 1, moment: 'half', part: 'first', once: 'event status success' },
      { label: 'rm .*', nth: 1, moment: 'half', part: 'second', once: 'event status success' },
    ];
    // A part of the log was sent, the rest was not, when the task ended without a runner.
    const partly: End[] = [
      { label: 'PUT sent', nth: 1, moment: 'after', once: 'event step-started run' },
      { label: 'event status success', nth: 1, moment: 'after' },
    ];
    const { complaints } = await trials(() => [
      ...ends.map((end) => ({ ends: [end], mustReach: true })),
      { ends: partly },
    ]);
    expect(complaints).toEqual([]);
  });

  it('again and again, at one event after the other that it records of one task, brings it to the same end', async () => {
    const everyNth = (nth: number, moment: 'before' | 'after'): End[] =>
      Array.from({ length: 80 }, () => ({ label: 'event *', nth, moment }));
    const { complaints, kills } = await trials(() =>
      tryAll ? [{ ends: everyNth(1, 'after') }, { ends: everyNth(2, 'before') }] : [{ ends: everyNth(2, 'after') }],
    );
    expect(complaints).toEqual([]);
    expect(kills).toBeGreaterThan(10);
  }, 300_000);

  it('once more while it takes the task over brings it to the same end', async () => {
    const first: End = { label: 'event step-started run', nth: 1, moment: 'after' };
    const { complaints } = await trials(() => {
      const numbers = Array.from({ length: 40 }, (_, index) => index + 1);
      const chosen = tryAll ? numbers : sample(numbers, 4, random);
      return chosen.map((nth) => ({ ends: [first, { label: '*', nth, moment: 'after' }] }));
    });
    expect(complaints).toEqual([]);
  }, 300_000);

  it('at random moments, up to three times in one task, brings it to the same end', async () => {
    const { complaints, kills } = await trials(() =>
      Array.from({ length: tryAll ? 60 : 4 }, (_, index) => ({
        ends: Array.from({ length: (index % 3) + 1 }, () => ({ afterMs: Math.round(100 + random() * 900) })),
      })),
    );
    expect(complaints).toEqual([]);
    expect(kills).toBeGreaterThan(3);
  }, 300_000);
});
