import { quantityOf } from '../objects/quantity.ts';
import type { Pod } from '../objects/types.ts';

/** The one node there is. */
export const node = {
  name: 'stand-in-node',
  labels: { 'kubernetes.io/hostname': 'stand-in-node', 'kubernetes.io/os': 'linux' } as Record<string, string>,
  cpu: 16,
  memory: 64 * 2 ** 30,
};

/** Why the node cannot take the pod, in the scheduler's words; undefined when it can. */
export function refusalToSchedule({ spec }: Pod): string | undefined {
  const wrong = Object.entries(spec.nodeSelector ?? {}).some(([key, value]) => node.labels[key] !== value);
  if (wrong) return "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.";
  const requested = (name: 'cpu' | 'memory'): number =>
    spec.containers.reduce((sum, { resources }) => sum + quantityOf(resources?.requests?.[name] ?? 0), 0);
  const short = (['cpu', 'memory'] as const).filter((name) => requested(name) > node[name]);
  if (short.length === 0) return undefined;
  return `0/1 nodes are available: ${short.map((name) => `1 Insufficient ${name}`).join(', ')}.`;
}
