import { describe, expect, it } from 'vitest';
import type { ApiTask } from '../support/e2e/api.ts';
import { createWorld, type World } from '../support/e2e/world.ts';
import { nothing } from '../support/kill-harness/aftermath.ts';
import { makeTrials, type Trial } from '../support/kill-harness/trials.ts';
import { note, scriptTemplate, secretGroup, secrets } from './tasks.ts';

/** A task that its user stops, and a runner that is killed while it stops it, or that is not there to do so. */

/** Takes its time to end, and has children that nobody asks to. */
const slowToStop = `#!/usr/bin/env bash
${note}
note started
trap 'note asked; echo "tidying up"; sleep 0.5; note tidied; echo "tidied up"; exit 3' TERM
setsid sleep 1000 &
(trap '' TERM INT; while :; do sleep 1; done) &
echo "the word is $WORD"
echo ready
# What bash has to say of a signal that meets its child is not worth a line: it may meet none.
{ while :; do sleep 0.05; done; } 2>/dev/null
`;

function stopWhen(world: World, text: string) {
  return async ({ id, status }: ApiTask): Promise<void> => {
    if (status !== 'running' || !(await world.api.log(id)).includes(text)) return;
    await world.api.stopTask(id);
  };
}

const nobody = async (): Promise<void> => {};

describe('a runner that is killed while it stops a task', () => {
  it('stops it all the same, with the same grace, and says so once', async () => {
    const { complaints, reference } = await makeTrials({
      makeWorld: () =>
        createWorld({
          files: { 'slow.sh': slowToStop },
          project: { variable_groups: [secretGroup], templates: [scriptTemplate(1, 'slow.sh')] },
          runner: { stop_grace_seconds: 5 },
        }),
      taskIn: (world) => ({ world, template: 1, secrets, user: stopWhen(world, 'ready') }),
      choose: () => {
        const trials: Trial[] = [
          { ends: [{ label: 'event status stopping', nth: 1, moment: 'before' }] },
          { ends: [{ label: 'event status stopping', nth: 1, moment: 'after' }] },
          // Bash is asked again in the middle of its trap, and pays no heed.
          { ends: [{ line: 'tidying up' }] },
          { ends: [{ label: 'event status stopped', nth: 1, moment: 'before' }] },
          { ends: [{ label: 'event status stopped', nth: 1, moment: 'after' }] },
          // Its user stops it while no runner is there.
          { ends: [{ line: 'ready' }], task: (world) => ({ user: nobody, away: stopWhen(world, 'ready') }) },
        ];
        return trials.map((trial) => ({ ...trial, mustReach: true }));
      },
    });
    expect(reference).toMatchObject({ status: 'stopped', marks: ['started', 'asked', 'tidied'], left: nothing });
    expect(reference.log.slice(-2)).toEqual(['tidied up', 'Task was stopped.']);
    expect(complaints).toEqual([]);
  }, 300_000);
});
