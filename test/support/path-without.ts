import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { tempDir } from './temp-dir.ts';

/** A PATH with everything that ours has but the named commands: a machine on which they are not installed. */
export function pathWithout(...names: string[]): string {
  const bin = join(tempDir(), 'bin');
  mkdirSync(bin);
  const taken = new Set(names);
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    for (const entry of listed(directory)) {
      if (taken.has(entry)) continue;
      taken.add(entry);
      symlinkSync(join(directory, entry), join(bin, entry));
    }
  }
  return bin;
}

function listed(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // PATH may name directories that are not there.
  }
}
