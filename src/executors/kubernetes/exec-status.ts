/** How a process in a container ended. */
export type ExecEnd =
  | { kind: 'exited'; code: number }
  /** It could not be run: no such program, no such container. */
  | { kind: 'failed'; reason: string }
  /** The connection broke, or was given up: nobody knows what became of the process. */
  | { kind: 'lost'; reason: string };

interface Status {
  status?: unknown;
  reason?: unknown;
  message?: unknown;
  details?: { causes?: { reason?: unknown; message?: unknown }[] };
}

/** Reads what the server says on the status channel when the process has ended: a `Status` object. */
export function endOfStatus(text: string): ExecEnd {
  const status = parse(text);
  if (!status) return { kind: 'failed', reason: text.trim() === '' ? 'the server gave no reason' : text.trim() };
  if (status.status === 'Success') return { kind: 'exited', code: 0 };
  const cause = status.details?.causes?.find(({ reason }) => reason === 'ExitCode');
  const code = Number(cause?.message);
  if (status.reason === 'NonZeroExitCode' && Number.isInteger(code)) return { kind: 'exited', code };
  const message = typeof status.message === 'string' ? status.message : '';
  return { kind: 'failed', reason: message === '' ? 'the server gave no reason' : message };
}

function parse(text: string): Status | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
