import { codeOf, shortageHint } from '../../lib/index.ts';

/** What to do when the state directory cannot be written to. One sentence. */
export function storageHint(error: unknown): string {
  const code = codeOf(error);
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return "Free space on the disk of the agent's state directory, or name another one in SEMAPHORE_AGENT_STATE_DIR.";
    case 'EROFS':
    case 'EIO':
      return shortageHint(code) ?? '';
    default:
      return 'Name another state directory in SEMAPHORE_AGENT_STATE_DIR.';
  }
}
