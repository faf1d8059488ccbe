/** Where measurements go. Telling one never fails and never waits. */
export interface Metrics {
  /** `tags`: up to three; more are left out. */
  gauge(metric: string, value: number, tags: readonly string[]): void;
}

/** For an agent that was not told a StatsD server. */
export const noMetrics: Metrics = { gauge: () => undefined };

const tagCount = 3;

/** `tagged.<namespace>.<tag>.<tag>.<tag>.<metric>:<value>|g`, Graphite's way of tags (spec CI 8.1). One datagram. */
export function gaugeText(namespace: string, metric: string, value: number, tags: readonly string[]): string {
  const shown = Array.from({ length: tagCount }, (_, index) => cleanTag(tags[index] ?? 'no_tag'));
  return `tagged.${namespace}.${shown.join('.')}.${metric}:${value}|g`;
}

function cleanTag(tag: string): string {
  return tag.replaceAll(/[^A-Za-z0-9_-]/g, '_');
}
