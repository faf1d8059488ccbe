import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, UserError, writeFileAtomic } from '../../lib/index.ts';
import type { SetupAnswers } from './ask.ts';

/**
 * Writes what was answered: a new file, or the changes to one that is there, whose other keys and comments stay. Mode 0600,
 * all or nothing. Throws UserError.
 */
export async function writeSetup(answers: SetupAnswers, extra: Readonly<Record<string, ConfigValue>>): Promise<void> {
  const { changeConfigFile, changedText } = await import('../../config/index.ts');
  const { file } = answers;
  const { tokenFile, runnerToken, registrationToken } = answers;
  const exists = await isThere(file);
  const values: Record<string, ConfigValue> = {
    web_host: answers.serverUrl,
    'runner.token_file': tokenFile,
    'runner.token': tokenFile === undefined ? runnerToken : undefined,
    'runner.name': answers.name,
    'runner.tags': answers.tags,
    ...extra,
  };
  const removed = new Set<string>();
  // One excludes the other, also in a file that had the other one before; but a token without successor is kept.
  if (tokenFile !== undefined) removed.add('runner.token');
  else if (runnerToken !== undefined || registrationToken !== undefined) removed.add('runner.token_file');
  const changes = Object.entries(values)
    .filter(([key, value]) => value !== undefined || removed.has(key))
    .map(([key, value]) => ({ key, value }));
  try {
    if (exists) {
      await changeConfigFile(file, changes);
      return;
    }
    await mkdir(dirname(file), { recursive: true, mode: 0o755 });
    const empty = /\.ya?ml$/i.test(file) ? '' : '{}\n';
    await writeFileAtomic(file, await changedText(file, empty, changes), { mode: 0o600 });
  } catch (error: unknown) {
    if (error instanceof UserError) throw error;
    throw new UserError(`cannot write the configuration ${file}: ${messageOf(error)}`, {
      hint: 'Choose a place you may write to, with --config.',
      cause: error,
    });
  }
}

type ConfigValue = string | number | boolean | readonly string[] | undefined;

export async function isThere(file: string): Promise<boolean> {
  return await stat(file).then(
    () => true,
    () => false,
  );
}
