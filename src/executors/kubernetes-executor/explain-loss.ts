import type { ExecEnd } from '../kubernetes/index.ts';
import { mainContainer } from './build-pod.ts';
import type { PodObserver } from './pod-observer.ts';
import { fateOf } from './pod-state.ts';
import { reasonOf } from './wait-for-pod.ts';

/** How long the cluster may take to know what has become of a pod whose shell is gone, milliseconds. */
const patienceMs = { exited: 3000, lost: 6000 };
/** Ended by KILL or TERM: perhaps not the job's own doing. */
const suspicious = new Set([137, 143]);

/**
 * Why the shell of a job is gone, for the job's log; undefined when the job has ended it itself, which is its own business.
 */
export async function explainLoss(
  end: ExecEnd | undefined,
  observer: PodObserver,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (end?.kind === 'exited' && !suspicious.has(end.code)) return undefined;
  const deadline = Date.now() + (end?.kind === 'exited' ? patienceMs.exited : patienceMs.lost);
  for (;;) {
    if (observer.isGone) return fate(observer) ?? 'The pod of the job was deleted.';
    const known = fate(observer);
    if (known !== undefined) return known;
    const leftMs = deadline - Date.now();
    if (leftMs <= 0 || signal.aborted) break;
    await observer.changed(leftMs, signal);
  }
  if (end?.kind === 'exited' || signal.aborted) return undefined;
  const why = end === undefined ? '' : ` (${end.reason})`;
  const trouble = observer.failure === undefined ? '' : ` Its pod cannot be looked at: ${reasonOf(observer.failure)}`;
  return `The connection to the shell of the job was lost${why}; a shell cannot be connected to again.${trouble}`;
}

/** Nothing runs in the pod any more. */
export function hasEnded({ pod, isGone }: PodObserver): boolean {
  const { phase, reason, containerStatuses = [] } = pod?.status ?? {};
  const main = containerStatuses.find(({ name }) => name === mainContainer);
  return (
    isGone ||
    phase === 'Failed' ||
    phase === 'Succeeded' ||
    reason === 'NodeLost' ||
    main?.state?.terminated !== undefined
  );
}

function fate({ pod }: PodObserver): string | undefined {
  return pod && fateOf(pod, mainContainer);
}
