import type { Clock } from '../lib/index.ts';
import type { LogFields } from '../telemetry/index.ts';

/** The same trouble is told again after this time. */
const quietMs = 60_000;

/** More kinds of trouble than this are not told apart. */
const maxKinds = 100;

/**
 * A log function for what may happen many times a second, such as requests that fail because the disk is full: the same
 * message with the same error once a minute, with the number of those in between.
 */
export function quietRepeats(clock: Pick<Clock, 'now'>, log: (message: string, fields: LogFields) => void): typeof log {
  const told = new Map<string, { at: number; since: number }>();
  return (message, fields) => {
    const key = `${message} ${fields['error'] instanceof Error ? fields['error'].message : ''}`;
    const last = told.get(key);
    if (last && clock.now() - last.at < quietMs) {
      last.since += 1;
      return;
    }
    if (told.size >= maxKinds) told.clear();
    told.set(key, { at: clock.now(), since: 0 });
    log(message, last && last.since > 0 ? { ...fields, repeated: last.since } : fields);
  };
}
