import { beforeAll, describe, expect, it } from 'vitest';
import type { ApiTask } from '../support/e2e/api.ts';
import { busyboxImage, debianImage, ensureImages, needsDocker } from '../support/docker/index.ts';
import { createDockerWorld } from '../support/docker-world.ts';
import { nothing } from '../support/kill-harness/aftermath.ts';
import { pointsOf, randomFrom, sample } from '../support/kill-harness/points.ts';
import { makeTrials, type Trial } from '../support/kill-harness/trials.ts';
import { secretGroup, secrets, tryAll } from './tasks.ts';

/** A task in containers, whose runner is killed on the way: the next one comes to the same end, and nothing stays on the engine. */

const script = `#!/bin/sh
trap 'echo "tidying up"; sleep 0.3; echo "tidied up"; exit 3' TERM
command -v git >/dev/null || echo "in busybox"
echo "the word is $WORD"
n=0
while [ $n -lt 20 ]; do n=$((n + 1)); echo "line $n"; [ $((n % 3)) -gt 0 ] || echo "line $n aside" >&2; sleep 0.05; done
echo "the words are $WORDS"
# What the shell has to say of a signal that meets its child is not worth a line.
[ ! -e endless ] || { while :; do sleep 0.1; done; } 2>/dev/null
printf 'no line end'
`;

const options = {
  docker: { image: busyboxImage, helper_image: debianImage },
  runner: { stop_grace_seconds: 5 },
  project: {
    variable_groups: [secretGroup],
    templates: [
      {
        id: 1,
        name: 'script',
        app: 'sh',
        playbook: 'script.sh',
        repository: 'main',
        variable_groups: ['secret'],
        allow_parallel_tasks: true,
      },
    ],
  },
};

describe.runIf(needsDocker())('a runner with a task in containers', () => {
  beforeAll(() => ensureImages(busyboxImage, debianImage), 600_000);

  it('that is killed on the way brings it to the same end, and leaves nothing on the engine', async () => {
    const { complaints, kills, reference } = await makeTrials({
      makeWorld: () => createDockerWorld({ ...options, files: { 'script.sh': script } }),
      taskIn: (world) => ({ world, template: 1, secrets }),
      lanes: 2,
      choose: (trace) => {
        const chosen: Trial[] = [
          { ends: [{ label: 'event executor', nth: 1, moment: 'before' }] },
          // While the first container is made: docker goes on without the runner.
          { ends: [{ label: 'spawn docker', nth: 8, moment: 'after', once: 'event executor' }] },
          { ends: [{ line: 'line 3' }] },
          { ends: [{ line: 'line 3' }, { line: 'line 12' }] },
          { ends: [{ label: 'event status success', nth: 1, moment: 'before' }] },
          { ends: [{ label: 'event status success', nth: 1, moment: 'after' }] },
        ];
        const all = pointsOf(trace).map((point): Trial => ({ ends: [point] }));
        const more = tryAll ? all : sample(all, 4, randomFrom(11));
        return [...chosen.map((trial) => ({ ...trial, mustReach: true })), ...more];
      },
    });
    expect(reference).toMatchObject({ status: 'success', left: nothing });
    expect(reference.log).toContain('in busybox');
    expect(reference.log.at(-1)).toBe('no line end');
    expect(reference.log.filter((line) => /^line \d+/.test(line))).toHaveLength(26);
    expect(complaints).toEqual([]);
    expect(kills).toBeGreaterThanOrEqual(7);
  }, 900_000);

  it('that is killed while it stops it stops it all the same', async () => {
    const stopWhenReady =
      (text: string) =>
      (world: Parameters<Parameters<typeof makeTrials>[0]['taskIn']>[0]) =>
      async ({ id, status }: ApiTask): Promise<void> => {
        if (status === 'running' && (await world.api.log(id)).includes(text)) await world.api.stopTask(id);
      };
    const user = stopWhenReady('line 20');
    const { complaints, reference } = await makeTrials({
      makeWorld: () => createDockerWorld({ ...options, files: { 'script.sh': script, endless: '' } }),
      taskIn: (world) => ({ world, template: 1, secrets, user: user(world) }),
      lanes: 2,
      choose: () => {
        const trials: Trial[] = [
          { ends: [{ label: 'event status stopping', nth: 1, moment: 'after' }] },
          { ends: [{ line: 'tidying up' }] },
          { ends: [{ label: 'event status stopped', nth: 1, moment: 'after' }] },
          // Its user stops it while no runner is there.
          { ends: [{ line: 'line 20' }], task: (world) => ({ user: () => Promise.resolve(), away: user(world) }) },
        ];
        return trials.map((trial) => ({ ...trial, mustReach: true }));
      },
    });
    expect(reference).toMatchObject({ status: 'stopped', left: nothing });
    expect(reference.log.slice(-3)).toEqual(['tidying up', 'tidied up', 'Task was stopped.']);
    expect(complaints).toEqual([]);
  }, 600_000);
});
