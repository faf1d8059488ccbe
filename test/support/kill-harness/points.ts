/** Where the runner is ended: see `kill-switch.cjs`. */
export interface KillPoint {
  /** What the runner does, for example `event status success`, `write acked`, `PUT answered`; `event *` is any of them. */
  label: string;
  /** The how many-th time, from 1. */
  nth: number;
  moment: 'before' | 'half' | 'after';
  /** Count only what comes after this other label. */
  once?: string;
  /** Which half of a directory is gone when its removal is cut off. @default first */
  part?: 'first' | 'second';
}

/** A point in words, for example `after event status success`. */
export function nameOfPoint({ label, nth, moment, once, part }: KillPoint): string {
  const count = nth === 1 ? '' : ` no. ${nth}`;
  const since = once === undefined ? '' : ` once ${once}`;
  return `${moment}${part === undefined ? '' : ` (${part})`} ${label}${count}${since}`;
}

/** Every point that a trace shows: before and after everything, and in the middle of what has one. */
export function pointsOf(trace: readonly string[]): KillPoint[] {
  const seen = new Map<string, number>();
  return trace.flatMap((label): KillPoint[] => {
    const nth = (seen.get(label) ?? 0) + 1;
    seen.set(label, nth);
    if (/^(GET|PUT) /.test(label)) return [{ label, nth, moment: 'after' }];
    // A tool has opened a pipe and the secret is not in it yet: whoever reads a pipe whose writer has gone reads nothing.
    if (/^rename .*(password|vault|credentials)/.test(label)) return [];
    const whole: KillPoint[] = [
      { label, nth, moment: 'before' },
      { label, nth, moment: 'after' },
    ];
    // Only an event can be so long that the system ends a process in the middle of writing it.
    if (label.startsWith('event ')) return [...whole, { label, nth, moment: 'half' }];
    if (!label.startsWith('rm ')) return whole;
    return [...whole, { label, nth, moment: 'half', part: 'first' }, { label, nth, moment: 'half', part: 'second' }];
  });
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` of `all`, spread over them evenly with a random start: every part of a task has its turn. */
export function sample<Item>(all: readonly Item[], count: number, random: () => number): Item[] {
  if (count >= all.length) return [...all];
  const step = all.length / count;
  const start = random() * step;
  return Array.from({ length: count }, (_, index) => all[Math.floor(start + index * step)]).flatMap((item) =>
    item === undefined ? [] : [item],
  );
}
