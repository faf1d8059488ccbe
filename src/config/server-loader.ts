import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { codeOf, ConfigError, messageOf } from '../lib/index.ts';
import { problemsOf, toConfigError, type ServerProblem } from './server-problems.ts';
import { checkReferences } from './server-references.ts';
import { serverFileSchema, type ServerConfig } from './server-schema.ts';
import { parseDocument } from './source-document.ts';

export interface LoadedServerConfig {
  config: ServerConfig;
  /** Absolute path of the file. */
  file: string;
  /** Makes the error for problems that only the server itself can find, such as a cron expression. */
  refuse(problems: readonly ServerProblem[]): ConfigError;
}

/**
 * Reads `server.yaml`, with all secrets it points to, and checks it completely. Thrown when that fails: ConfigError that
 * lists every problem with line, key, value and expectation.
 */
export async function loadServerConfig(
  path: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<LoadedServerConfig> {
  const file = resolve(path);
  const document = await parseDocument(file, await read(file));
  const refuse = (problems: readonly ServerProblem[]): ConfigError => toConfigError(problems, document, file);
  const parsed = await serverFileSchema({ baseDir: dirname(file), env }).safeParseAsync(document.value ?? {});
  if (!parsed.success) throw refuse(problemsOf(parsed.error.issues, document));
  const dangling = checkReferences(parsed.data);
  if (dangling.length > 0) throw refuse(dangling);
  return { config: parsed.data, file, refuse };
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') {
      const hint = 'Name it with --config, or start from server.example.yaml.';
      throw new ConfigError(`the server file ${file} does not exist`, { hint, cause: error });
    }
    throw new ConfigError(`the server file ${file} cannot be read: ${messageOf(error)}`, {
      source: file,
      cause: error,
    });
  }
}
