import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { makeTemporaryDirectory, messageOf, removeTree } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';

/** The directory that DOCKER_CONFIG names for the commands of one job. */
export interface DockerConfig {
  path: string;
  remove: () => Promise<void>;
}

/** The file of the Docker CLI; what is not named here is kept as it is. */
interface Content {
  [key: string]: unknown;
  auths: Record<string, unknown>;
  credHelpers: Record<string, unknown>;
}

/** Made not to be a registry: while a file names none, `docker login` looks for a key chain of the user and writes there. */
const nobody = 'job.semaphore.invalid';

/**
 * Makes a directory for the logins of one job, which nobody else reads and which goes with the job. It begins with what the agent's user
 * has in theirs (logins, helpers, plug-ins, contexts), because users log in on the host, too; but nothing is written to that, nor to
 * their key chain. Throws the system's error when it cannot be made.
 */
export function createDockerConfig(env: Readonly<Record<string, string>>, logger: Pick<Logger, 'warn'>): DockerConfig {
  const home = env['HOME'] === undefined || env['HOME'] === '' ? homedir() : env['HOME'];
  const usual =
    env['DOCKER_CONFIG'] === undefined || env['DOCKER_CONFIG'] === '' ? join(home, '.docker') : env['DOCKER_CONFIG'];
  const path = makeTemporaryDirectory('semaphore-docker');
  const { credsStore, ...content } = readContent(join(usual, 'config.json'), logger);
  // What a key chain has can be read from it still, registry by registry.
  const inStore =
    typeof credsStore === 'string' ? Object.keys(content.auths).filter((server) => isBare(content.auths[server])) : [];
  const helpers = Object.fromEntries(inStore.map((server) => [server, credsStore]));
  writeContent(path, {
    ...content,
    auths: { ...content.auths, [nobody]: {} },
    credHelpers: { ...helpers, ...content.credHelpers },
  });
  for (const directory of ['cli-plugins', 'contexts'])
    if (existsSync(join(usual, directory))) symlinkSync(join(usual, directory), join(path, directory));
  return { path, remove: () => removeTree(path, dirname(path)) };
}

/** Makes a login to `server` stay in the directory `path`, whatever helper the user has for that registry. */
export function forgetHelper(path: string, server: string): void {
  const content = parseContent(readFileSync(join(path, 'config.json'), 'utf8'));
  const kept = Object.entries(content.credHelpers).filter(([name]) => hostOf(name) !== hostOf(server));
  if (kept.length < Object.keys(content.credHelpers).length)
    writeContent(path, { ...content, credHelpers: Object.fromEntries(kept) });
}

function readContent(file: string, logger: Pick<Logger, 'warn'>): Content {
  if (!existsSync(file)) return parseContent('{}');
  try {
    return parseContent(readFileSync(file, 'utf8'));
  } catch (error: unknown) {
    logger.warn('The Docker configuration of the user cannot be read: jobs do without it', {
      file,
      error: messageOf(error),
    });
    return parseContent('{}');
  }
}

/** Throws SyntaxError. */
function parseContent(text: string): Content {
  const content = recordOf(JSON.parse(text));
  return { ...content, auths: recordOf(content['auths']), credHelpers: recordOf(content['credHelpers']) };
}

function writeContent(path: string, content: Content): void {
  writeFileSync(join(path, 'config.json'), JSON.stringify(content, undefined, 2), { mode: 0o600 });
}

/** An entry that only says that the key chain has the login. */
function isBare(entry: unknown): boolean {
  const { auth, identitytoken } = recordOf(entry);
  return !auth && !identitytoken;
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** As the Docker CLI finds it in a name of a registry: without scheme and path. */
function hostOf(server: string): string {
  return server.replace(/^https?:\/\//, '').split('/')[0] ?? '';
}
