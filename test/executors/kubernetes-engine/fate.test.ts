import { describe, expect, it } from 'vitest';
import type { Pod, PodStatus } from '../../../src/executors/kubernetes/index.ts';
import { fateOf, isRunning, partingOf } from '../../../src/executors/kubernetes-engine/fate.ts';

function pod(status: PodStatus, metadata: Partial<Pod['metadata']> = {}): Pod {
  const limits = { memory: '200Mi' };
  return {
    metadata: { name: 'task', ...metadata },
    spec: { containers: [{ name: 'helper' }, { name: 'build', resources: { limits } }] },
    status: { phase: 'Running', ...status },
  };
}

const running = {
  containerStatuses: ['helper', 'build'].map((name) => ({ name, ready: true, state: { running: {} } })),
};
const ended = (terminated: { exitCode: number; reason?: string; message?: string }): PodStatus => ({
  containerStatuses: [{ name: 'build', ready: false, state: { terminated } }],
});
const deletionTimestamp = '2026-01-01T00:00:00Z';

describe('what has become of the pod of a task', () => {
  it.each<[string, Pod | undefined, string | undefined]>([
    ['nothing', pod(running), undefined],
    ['nothing yet', pod({ phase: 'Pending' }), undefined],
    ['deleted and gone', undefined, 'the pod was deleted by somebody else, or with its node'],
    [
      'deleted, and on its way',
      pod({ ...ended({ exitCode: 0, reason: 'Completed' }) }, { deletionTimestamp }),
      'the pod was deleted by somebody else, or its node is drained',
    ],
    [
      'evicted',
      pod({ phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: ephemeral-storage.' }),
      'the pod was evicted: The node was low on resource: ephemeral-storage.',
    ],
    ['on a node that is silent', pod({ reason: 'NodeLost' }), 'the node of the pod does not answer any more'],
    [
      'taken by the cluster',
      pod({
        phase: 'Failed',
        conditions: [
          {
            type: 'DisruptionTarget',
            status: 'True',
            reason: 'PreemptionByScheduler',
            message: 'preempting to accommodate a higher priority pod',
          },
        ],
      }),
      'the pod was ended by the cluster: preempting to accommodate a higher priority pod',
    ],
    [
      'out of memory',
      pod({ phase: 'Failed', ...ended({ exitCode: 137, reason: 'OOMKilled' }) }),
      'the build container ran out of memory (OOMKilled, limit 200Mi)',
    ],
    ['ended', pod(ended({ exitCode: 2, reason: 'Error' })), 'the build container has ended: Error, exit code 2'],
    [
      'past its deadline',
      pod({
        phase: 'Failed',
        reason: 'DeadlineExceeded',
        message: 'Pod was active on the node longer than the specified deadline',
      }),
      'the pod has failed: DeadlineExceeded: Pod was active on the node longer than the specified deadline',
    ],
  ])('%s', (_, seen, text) => {
    expect(fateOf(seen, 'build')).toBe(text);
  });

  it('is no reason to go on with another while it is to end', () => {
    expect(isRunning(pod(running))).toBe(true);
    expect(isRunning(pod(running, { deletionTimestamp }))).toBe(false);
    expect(isRunning(pod(ended({ exitCode: 0 })))).toBe(false);
    expect(isRunning(pod({ phase: 'Pending' }))).toBe(false);
    expect(fateOf(pod(running, { deletionTimestamp }), 'build')).toBeUndefined();
    expect(partingOf(pod(running, { deletionTimestamp }))).toMatch(/deleted/);
  });
});
