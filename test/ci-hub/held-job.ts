import type { StartJob } from '../../src/agent/listener/index.ts';
import type { JobRequest, JobResult } from '../../src/protocol/ci/index.ts';

export interface HeldJob {
  startJob: StartJob;
  /** Requests of the jobs that were started. */
  started: JobRequest[];
  /** Ends the last one. */
  end: (result: JobResult) => void;
  /** How often one was told to stop, and to give up its log. */
  stopped: number;
  abandoned: number;
}

/** A job that ends when the test says so, or as `stopped` when it is stopped; with `delivers: false`, only when its log is given up. */
export function heldJob({ delivers = true }: { delivers?: boolean } = {}): HeldJob {
  const held: HeldJob = {
    started: [],
    stopped: 0,
    abandoned: 0,
    end: () => undefined,
    startJob: (request, { stop, abandon }) => {
      held.started.push(request);
      return new Promise((resolve) => {
        held.end = resolve;
        const onStop = (): void => {
          held.stopped += 1;
          if (delivers) resolve('stopped');
        };
        const onAbandon = (): void => {
          held.abandoned += 1;
          resolve('stopped');
        };
        if (stop.aborted) onStop();
        stop.addEventListener('abort', onStop, { once: true });
        abandon.addEventListener('abort', onAbandon, { once: true });
      });
    },
  };
  return held;
}
