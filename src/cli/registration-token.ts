import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { LoadedConfig } from '../config/index.ts';
import { messageOf, UserError } from '../lib/index.ts';
import { note } from './output.ts';
import { ownSecrets } from './own-secrets.ts';

export interface RegistrationTokenFlags {
  'registration-token-file'?: string | undefined;
  'stdin-registration-token'?: boolean | undefined;
}

/**
 * The registration token from the first place that has one: `--registration-token-file`, `runner.registration_token_file`,
 * standard input when asked for, `SEMAPHORE_RUNNER_REGISTRATION_TOKEN` (spec 1.3). Throws UserError.
 */
export async function findRegistrationToken(flags: RegistrationTokenFlags, { config }: LoadedConfig): Promise<string> {
  const flagFile = flags['registration-token-file'];
  const file = flagFile === undefined ? config.runner.registrationTokenFile : resolve(flagFile);
  if (file !== undefined) return requireToken(await readTokenText(file), `the file ${file}`);
  if (flags['stdin-registration-token'] === true) return requireToken(await readStandardInput(), 'standard input');
  if (config.runner.registrationToken !== undefined) return config.runner.registrationToken;
  throw new UserError('there is no registration token', {
    hint: 'Give it with --registration-token-file, --stdin-registration-token or SEMAPHORE_RUNNER_REGISTRATION_TOKEN.',
  });
}

async function readTokenText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error: unknown) {
    throw new UserError(`cannot read the registration token file: ${messageOf(error)}`, { cause: error });
  }
}

/** All of standard input, as text. */
export async function readStandardInput(): Promise<string> {
  if (process.stdin.isTTY) note('Type or paste the token, then press Enter and Ctrl-D:');
  const { text } = await import('node:stream/consumers');
  return await text(process.stdin);
}

/** One token in a text; throws UserError when there is none, or several words. */
export function requireToken(text: string, place: string): string {
  const token = text.trim();
  if (token === '') throw new UserError(`the token is empty: ${place} has nothing in it`);
  if (/\s/.test(token)) throw new UserError(`the token is malformed: ${place} has more than one word in it`);
  ownSecrets.add(token);
  return token;
}
