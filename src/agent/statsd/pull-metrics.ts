import type { Metrics } from './metrics.ts';

/** Told by the docker compose executor about the images that it pulls. */
export interface PullMetrics {
  started(): void;
  failed(): void;
  /** Also after a failure. */
  ended(durationMs: number): void;
}

const measuredImage = 'semaphoreci/android';

/**
 * The metrics of a job's image pull (spec CI 8.1): `compose.docker.pull.rate` and `compose.docker.error.rate`, 1 each time, and
 * `compose.docker.pull.duration` in whole seconds. As in the original only when the first container's image is one of `semaphoreci/android`,
 * which is also the tag; for all others nothing is told.
 */
export function pullMetrics(metrics: Metrics, firstImage: string | undefined): PullMetrics {
  const tell = (metric: string, value: number): void => {
    if (firstImage?.includes(measuredImage)) metrics.gauge(`compose.docker.${metric}`, value, [measuredImage]);
  };
  return {
    started: () => tell('pull.rate', 1),
    failed: () => tell('error.rate', 1),
    ended: (durationMs) => tell('pull.duration', Math.floor(durationMs / 1000)),
  };
}
