import { describe, expect, it } from 'vitest';
import type { TaskStatus } from '../../src/protocol/ui/index.ts';
import { guard } from '../../src/server/tasks/guard.ts';

const all: readonly TaskStatus[] = [
  'waiting',
  'starting',
  'waiting_confirmation',
  'confirmed',
  'rejected',
  'running',
  'stopping',
  'stopped',
  'success',
  'error',
];

/** Spec 5.1: what is refused in each status; everything else is accepted. */
const refused: Readonly<Record<TaskStatus, readonly TaskStatus[]>> = {
  waiting: [],
  starting: [],
  waiting_confirmation: [],
  confirmed: ['waiting_confirmation'],
  // Our addition: see the guard.
  rejected: ['waiting_confirmation'],
  running: ['waiting'],
  stopping: ['waiting', 'running', 'waiting_confirmation'],
  stopped: all,
  success: all,
  error: all,
};

describe('a change of status', () => {
  it.each(all.flatMap((current) => all.map((wanted) => [current, wanted] as const)))(
    'from %s to %s',
    (current, wanted) => {
      const expected = refused[current].includes(wanted) ? 'refused' : current === wanted ? 'unchanged' : 'accepted';
      expect(guard(current, wanted)).toBe(expected);
    },
  );
});
