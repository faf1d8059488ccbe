import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. (Not `import.meta.dirname`: this must load on a Node.js that is too old, to say so.) */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Logs and the lock of the set-up; ignored by git. */
export const cacheDirectory = join(root, '.cache');

export const executable = join(root, 'bin', 'semaphore');
