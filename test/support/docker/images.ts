import { execa } from 'execa';
import { join } from 'node:path';

/** Static busybox and nothing else: `sh`, no bash. Like all three it has a user `runner` with uid and gid 1001. */
export const busyboxImage = 'semaphore-test/busybox';
/** Debian with bash, git, an SSH client, ps and Python. */
export const debianImage = 'semaphore-test/debian';
/** {@link debianImage} with ansible-core. */
export const ansibleImage = 'semaphore-test/ansible';

/** An image that the tests can have. */
export type TestImage = typeof busyboxImage | typeof debianImage | typeof ansibleImage;

const script = join(import.meta.dirname, '../../../scripts/setup/docker-images.mjs');

/**
 * Makes those of the images that are not in the engine; `npm test` has made them before. Several test processes may ask at once.
 * The first time takes minutes: `beforeAll(() => ensureImages(debianImage), 600_000)`.
 */
export async function ensureImages(...images: readonly TestImage[]): Promise<void> {
  const names = images.map((image) => image.slice('semaphore-test/'.length));
  await execa(process.execPath, [script, ...names], { stdin: 'ignore' });
}
