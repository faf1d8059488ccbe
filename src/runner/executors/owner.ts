import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomicSync } from '../../lib/index.ts';

/**
 * What tells the containers of this runner from those of others on the same engine. It is the same whenever this runner starts: noted in
 * its state directory, so that it outlives a change of the token; and made from the token, so that it outlives the state directory. Tells
 * nothing of the token.
 */
export function ownerOf(stateDir: string, token: string): string {
  const path = join(stateDir, 'containers-owner');
  const noted = read(path);
  if (noted !== undefined && /^[0-9a-f]{16}$/.test(noted)) return noted;
  const owner = createHash('sha256').update(`owner of containers\n${token}`).digest('hex').slice(0, 16);
  writeFileAtomicSync(path, `${owner}\n`);
  return owner;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    return undefined; // The first start.
  }
}
