import { readFile } from 'node:fs/promises';
import { codeOf, ConfigError, messageOf } from '../lib/index.ts';
import { exposureWarnings } from './exposure.ts';
import { locatedError } from './located-error.ts';

/**
 * The token in `runner.token_file`. A file that is not there, or empty, is a runner that is not registered yet. Throws
 * ConfigError when the file is there but cannot be read: "not registered" would be a lie.
 */
export async function readTokenFile(file: string): Promise<{ token: string | undefined; warnings: readonly string[] }> {
  try {
    const token = (await readFile(file, 'utf8')).trim();
    if (/\s/.test(token)) {
      throw locatedError('the token file holds more than one word', {
        source: file,
        key: 'runner.token_file',
        hint: 'It must hold the token and nothing else.',
      });
    }
    return {
      token: token === '' ? undefined : token,
      warnings: await exposureWarnings(file, 'it is the runner token'),
    };
  } catch (error: unknown) {
    if (error instanceof ConfigError) throw error;
    if (codeOf(error) === 'ENOENT') return { token: undefined, warnings: [] };
    throw locatedError(`cannot read the token file: ${messageOf(error)}`, {
      source: file,
      key: 'runner.token_file',
      cause: error,
      hint:
        codeOf(error) === 'EACCES'
          ? 'Give it to the user that starts the runner, or start the runner as its owner.'
          : 'Name a file in runner.token_file.',
    });
  }
}
