import { describe, expect, it } from 'vitest';
import type { ApiTask } from '../support/e2e/api.ts';
import { createWorld, type World } from '../support/e2e/world.ts';
import { nothing } from '../support/kill-harness/aftermath.ts';
import { pointsOf, randomFrom, sample } from '../support/kill-harness/points.ts';
import type { End, Outcome } from '../support/kill-harness/survive.ts';
import { makeTrials, type Trial } from '../support/kill-harness/trials.ts';
import { needs } from '../support/tools.ts';
import { note, secretGroup, secrets, tryAll } from './tasks.ts';

/**
 * A task in two steps: a plan, a person who confirms it, and the apply. The runner is killed in the middle of each, and while
 * it waits; the person answers when no runner is there.
 */

const files = {
  'main.tf': `
variable "secret" {
  sensitive = true
}
resource "terraform_data" "slow" {
  input = sha256(var.secret)
  provisioner "local-exec" {
    command = "sh ./note.sh"
  }
}
output "digest" {
  value = nonsensitive(terraform_data.slow.output)
}
`,
  'note.sh': `${note}
note applying
trap 'note disturbed' TERM INT HUP
for n in 1 2 3 4 5 6; do echo "applying, $n"; sleep 0.1; done
note applied
`,
};

const project = {
  inventories: [{ name: 'here', type: 'terraform-workspace', inventory: 'default' }],
  variable_groups: [
    { ...secretGroup, secrets: [...secretGroup.secrets, { name: 'secret', type: 'var', value: 'tf-secret-5521' }] },
  ],
  templates: [
    {
      id: 1,
      name: 'Apply',
      app: 'terraform',
      playbook: '',
      repository: 'main',
      inventory: 'here',
      variable_groups: ['secret'],
      allow_parallel_tasks: true,
    },
  ],
};

function answer(world: World, word: 'confirm' | 'reject') {
  return async ({ id, status }: ApiTask): Promise<void> => {
    if (status === 'waiting_confirmation') await world.api.text('POST', `/project/1/tasks/${id}/${word}`);
  };
}

/** What comes of it when the answer is no. */
function rejected({ log }: Outcome): Partial<Outcome> {
  const asked = log.findIndex((line) => line.startsWith('Waiting for a decision'));
  return {
    status: 'error',
    statuses: ['waiting', 'starting', 'running', 'waiting_confirmation', 'rejected', 'error'],
    log: [...log.slice(0, asked + 1), 'Task failed in run: the plan was rejected. Nothing was changed.'],
    marks: [],
  };
}

const nobody = async (): Promise<void> => {};

describe.runIf(needs('terraform'))('a runner that is killed with a plan that waits for its user', () => {
  it('goes on with the task: what was confirmed is applied, once, and what was rejected is not', async () => {
    const random = randomFrom(1);
    const { complaints, reference } = await makeTrials({
      makeWorld: () => createWorld({ files, project }),
      taskIn: (world) => ({
        world,
        template: 1,
        secrets: [...secrets, 'tf-secret-5521'],
        user: answer(world, 'confirm'),
      }),
      lanes: 2,
      choose: (trace) => {
        const asked: End = { status: 'waiting_confirmation' };
        const away: Trial[] = [
          { ends: [asked], task: (world) => ({ user: nobody, away: answer(world, 'confirm') }), mustReach: true },
          {
            ends: [asked],
            task: (world) => ({ user: nobody, away: answer(world, 'reject') }),
            expected: rejected,
            mustReach: true,
          },
        ];
        const chosen: Trial[] = [
          {
            ends: [
              { label: 'event status waiting_confirmation', nth: 1, moment: 'after' },
              { label: 'PUT answered', nth: 1, moment: 'after' },
            ],
            mustReach: true,
          },
          { ends: [{ label: 'event status confirmed', nth: 1, moment: 'after' }], mustReach: true },
          { ends: [{ label: 'event once decision 0', nth: 1, moment: 'after' }], mustReach: true },
          { ends: [{ line: 'applying, 2' }], mustReach: true },
          { ends: [{ label: 'event step-started plan', nth: 1, moment: 'after' }], mustReach: true },
          // Init has ended, and what came of it is not noted as a whole.
          { ends: [{ label: 'event once once init', nth: 1, moment: 'before' }], mustReach: true },
        ];
        const all = pointsOf(trace).map((point): Trial => ({ ends: [point] }));
        return [...away, ...chosen, ...(tryAll ? all : sample(all, 3, random))];
      },
    });
    expect(reference).toMatchObject({ status: 'success', marks: ['applying', 'applied'], left: nothing });
    expect(complaints).toEqual([]);
  }, 900_000);
});
