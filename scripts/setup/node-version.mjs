import { StepError } from './console.mjs';

/** `engines` of package.json in code: the launcher `bin/semaphore` says the same. */
export function checkNodeVersion(version = process.versions.node) {
  const [major, minor] = version.split('.').map(Number);
  if ((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major >= 23) return version;
  throw new StepError(`this is Node.js ${version}; semaphore needs 20.19, 22.12 or newer`, {
    hint: 'Install a newer Node.js, put it first on PATH, and run the same command again.',
  });
}
