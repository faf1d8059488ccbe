export type { Metrics } from './metrics.ts';
export { type PullMetrics, pullMetrics } from './pull-metrics.ts';
export { openStatsd, type StatsdClient, type StatsdOptions } from './statsd-client.ts';
