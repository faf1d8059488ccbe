import { describe, expect, it } from 'vitest';
import { findLost, type LostInput } from '../../src/server/reconcile/find-lost.ts';
import type { RunnerRecord, TaskRecord } from '../../src/server/store/records.ts';
import { runnerRecord, taskRecord } from './support/builders.ts';

const noon = Date.parse('2026-01-01T12:00:00.000Z');
const at = (seconds: number): string => new Date(noon + seconds * 1000).toISOString();

/** Runner 1 was heard at noon, unless something else is said; the server has been watching since the day before. */
function find(
  task: Partial<TaskRecord>,
  runner: Partial<RunnerRecord> | undefined,
  seconds: number,
  input: Partial<LostInput> = {},
): string[] {
  const record = runner && runnerRecord(1, { touched: at(0), ...runner });
  return findLost({
    tasks: [taskRecord(1, { runnerId: 1, assigned: at(-10), ...task })],
    runnerOf: () => record,
    now: noon + seconds * 1000,
    watchingSince: noon - 86_400_000,
    offlineTimeoutMs: 120_000,
    taskFailTimeoutMs: 420_000,
    clockSkewMs: 60_000,
    maxTaskDurationMs: 0,
    ...input,
  }).map(({ kind, note }) => `${kind}: ${note}`);
}

describe('a task whose runner is silent (spec 8.4)', () => {
  it('goes back to the queue when it has not begun', () => {
    expect(find({ status: 'starting' }, {}, 120)).toEqual([]);
    expect(find({ status: 'starting' }, {}, 121)).toEqual([
      'requeue: Runner #1 lost the task: no contact for 121 s. Returning task to queue.',
    ]);
  });

  it('has longer when the runner must first be woken', () => {
    expect(find({ status: 'starting' }, { webhook: 'http://x' }, 400)).toEqual([]);
    expect(find({ status: 'starting' }, { webhook: 'http://x', touched: undefined }, 500)).toHaveLength(1);
  });

  it.each(['running', 'waiting_confirmation', 'confirmed', 'rejected'] as const)('fails when it is %s', (status) => {
    expect(find({ status, start: at(-5) }, {}, 420)).toEqual([]);
    expect(find({ status, start: at(-5) }, {}, 421)).toEqual(['error: Runner lost: no contact for 421 s']);
  });

  it('has stopped when it was to stop', () => {
    const stopping = { since: at(0), timeoutMs: 900_000 };
    expect(find({ status: 'stopping', stopping }, {}, 421)).toEqual(['stopped: Runner lost: no contact for 421 s']);
  });

  it('is not lost while nobody was listening', () => {
    expect(find({ status: 'running', start: at(-5) }, {}, 1000, { watchingSince: noon + 900_000 })).toEqual([]);
    expect(find({ status: 'starting', assigned: at(990) }, {}, 1000)).toEqual([]);
  });

  it('that waits has no runner to lose', () => {
    expect(find({ status: 'waiting', runnerId: undefined }, undefined, 9999)).toEqual([]);
  });
});

describe('a task whose runner was removed', () => {
  it.each([
    ['starting', 'requeue: Runner #1 lost the task: the runner was removed. Returning task to queue.'],
    ['running', 'error: Runner lost: the runner was removed'],
  ] as const)('that is %s', (status, expected) => {
    expect(find({ status }, undefined, 0)).toEqual([expected]);
  });
});

describe('a task whose runner was restarted', () => {
  const lost = ['error: Runner lost: the runner was restarted'];

  it('fails, whatever the clocks say, when another process than its own asks for work', () => {
    const task = { status: 'running' as const, start: at(0), runnerStartedAt: at(-3600) };
    expect(find(task, { startedAt: at(-3600) }, 10)).toEqual([]);
    expect(find(task, { startedAt: at(5) }, 10)).toEqual(lost);
    // The runner's clock is half an hour behind.
    const behind = { status: 'running' as const, start: at(0), runnerStartedAt: at(-3600) };
    expect(find(behind, { startedAt: at(-30) }, 10)).toEqual(lost);
  });

  it('does not fail for a second process with the same token that was there before', () => {
    const task = { status: 'running' as const, start: at(0), runnerStartedAt: at(-3600) };
    expect(find(task, { startedAt: at(-1800) }, 10)).toEqual([]);
  });

  it('fails by the start of the task when its process is not known, with a margin for clocks that differ', () => {
    const task = { status: 'running' as const, start: at(0) };
    expect(find(task, { startedAt: at(60) }, 70)).toEqual([]);
    expect(find(task, { startedAt: at(61) }, 70)).toEqual(lost);
  });

  it('is not judged when the runner is too old to say', () => {
    expect(find({ status: 'running', start: at(0), runnerStartedAt: at(-3600) }, { startedAt: undefined }, 10)).toEqual(
      [],
    );
  });

  it('goes on when it has not begun: the new process gets it', () => {
    expect(find({ status: 'starting' }, { startedAt: at(5) }, 10)).toEqual([]);
  });
});

describe('a task whose time is up', () => {
  it('fails when it runs too long', () => {
    const limit = { maxTaskDurationMs: 60_000 };
    expect(find({ status: 'running', start: at(0) }, {}, 60, limit)).toEqual([]);
    expect(find({ status: 'running', start: at(0) }, {}, 61, limit)).toEqual(['error: Task timed out after 60 s']);
    expect(find({ status: 'starting' }, {}, 61, limit)).toEqual([]);
    expect(find({ status: 'running', start: at(0) }, {}, 61)).toEqual([]);
  });

  it('has stopped when its runner does not stop it', () => {
    const stopping = { since: at(0), timeoutMs: 30_000 };
    expect(find({ status: 'stopping', stopping }, {}, 30)).toEqual([]);
    expect(find({ status: 'stopping', stopping }, {}, 31)).toEqual([
      'stopped: Stopped by the server: the runner did not stop the task within 30 s',
    ]);
  });
});
