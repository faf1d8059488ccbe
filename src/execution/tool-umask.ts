import { inheritedUmask } from '../lib/index.ts';

/**
 * Command for `sh` that gives a tool the umask the runner was started with. Ours is strict; what a tool makes, and the modes of a checkout
 * that it copies elsewhere, are not ours to change. Empty when the umask was never changed.
 */
export function umaskCommand(): string {
  const umask = inheritedUmask();
  return umask === undefined ? '' : `umask ${umask.toString(8).padStart(4, '0')}; `;
}
