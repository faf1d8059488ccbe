import { stat } from 'node:fs/promises';

/** A warning when other users of this machine can read `file`; `why` says what is in it. */
export async function exposureWarnings(file: string, why: string): Promise<string[]> {
  if (process.platform === 'win32') return [];
  const { mode } = await stat(file);
  if ((mode & 0o004) === 0) return [];
  return [`${file}: every user of this machine can read this file, and ${why}; run: chmod 600 ${file}`];
}
