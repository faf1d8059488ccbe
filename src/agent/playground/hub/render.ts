/** An event of a job log, as far as a reader needs it (spec CI 5.3). */
export interface LogEvent {
  event: string;
  timestamp: number;
  directive?: string;
  output?: string;
  exit_code?: number;
  result?: string;
}

/** The event of one line; undefined when the line is no event. */
export function parseEvent(line: string): LogEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isEvent(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isEvent(value: unknown): value is LogEvent {
  if (typeof value !== 'object' || value === null) return false;
  const { event, timestamp }: { event?: unknown; timestamp?: unknown } = value;
  return typeof event === 'string' && typeof timestamp === 'number';
}

/**
 * A log in the short form of the reference's tests (spec CI 7.3): `job_started`, `directive: …`, the output, `Exit Code: …`,
 * `job_finished: …`. `joined` makes one item of all output of a command, `none` leaves it out.
 */
export function renderEvents(lines: readonly string[], output: 'each' | 'joined' | 'none' = 'joined'): string[] {
  const shown: string[] = [];
  let open = false;
  for (const line of lines) {
    const event = parseEvent(line);
    if (event?.event === 'cmd_output') {
      if (output === 'none') continue;
      if (open && output === 'joined') shown.push((shown.pop() ?? '') + (event.output ?? ''));
      else shown.push(event.output ?? '');
      open = true;
      continue;
    }
    open = false;
    shown.push(shortForm(event) ?? line);
  }
  return shown;
}

function shortForm(event: LogEvent | undefined): string | undefined {
  switch (event?.event) {
    case 'job_started':
      return 'job_started';
    case 'cmd_started':
      return `directive: ${event.directive ?? ''}`;
    case 'cmd_finished':
      return `Exit Code: ${event.exit_code ?? ''}`;
    case 'job_finished':
      return `job_finished: ${event.result ?? ''}`;
    default:
      return undefined;
  }
}
