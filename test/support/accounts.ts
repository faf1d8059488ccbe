import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

/** An account of this machine that exists as long as a test needs it. */
export interface TestAccount {
  name: string;
  password: string;
  remove(): Promise<void>;
}

/** True for root; else says loudly that tests are not run. Not an error in CI: only root can make accounts. */
export function canMakeAccounts(): boolean {
  if (process.getuid?.() === 0) return true;
  process.stderr.write('\n!!! Only root can make accounts: tests that log in with a password are not run.\n\n');
  return false;
}

/** Makes an account with a password and without a home. Its name is new, and tells where it comes from. */
export function makeAccount(): TestAccount {
  const name = `semtest-${randomBytes(5).toString('hex')}`;
  const password = `pw-${randomBytes(9).toString('hex')}`;
  execFileSync('useradd', ['--no-create-home', '--home-dir', '/', '--shell', '/bin/sh', name], { stdio: 'pipe' });
  const remove = async (): Promise<void> => {
    // A session that is just ending keeps the account for a moment.
    for (let attempt = 0; attempt < 40; attempt += 1) {
      if (spawnSync('userdel', [name], { stdio: 'ignore' }).status === 0) return;
      await sleep(100);
    }
    execFileSync('userdel', ['--force', name], { stdio: 'pipe' });
  };
  try {
    execFileSync('chpasswd', [], { input: `${name}:${password}\n`, stdio: ['pipe', 'pipe', 'pipe'] });
  } catch (error: unknown) {
    spawnSync('userdel', ['--force', name]);
    throw error;
  }
  return { name, password, remove };
}
