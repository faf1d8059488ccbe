import { dirname } from 'node:path';
import { sshCommand } from '../ssh/index.ts';
import { accessSettings, configParameters, type GitAccess, type Settings } from './access.ts';
import type { Remote } from './remote.ts';
import type { CheckoutRequest } from './types.ts';

/** What every git process of ours runs with. */
const ownSettings: Settings = [
  // The work root may lie on a volume that belongs to somebody else; what is in it is ours all the same.
  ['safe.directory', '*'],
  // A hook or monitor that an earlier task left in its checkout must not run in the next one's name.
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  // Background upkeep would outlive the step, and be killed in the middle.
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['advice.detachedHead', 'false'],
  ['init.defaultBranch', 'main'],
  ['submodule.recurse', 'false'],
];

/**
 * The environment of git for one checkout (spec 5.5). `credentialPipe` is a named pipe that gives user name and password of
 * the repository in the form of git-credential.
 */
export function gitEnvironment(
  request: CheckoutRequest,
  remote: Remote,
  credentialPipe: string | undefined,
): Record<string, string> {
  const env: Record<string, string> = {
    ...request.env,
    // Messages are read to tell causes apart.
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    // A damaged checkout must not make git look for a repository above it.
    GIT_CEILING_DIRECTORIES: [...new Set([dirname(request.mirror), dirname(request.directory)])].join(':'),
    GIT_ALLOW_PROTOCOL: allowedProtocols(remote),
    GIT_SSH_COMMAND: sshCommand(request.ssh),
  };
  if (request.credentials.kind === 'agent') env['SSH_AUTH_SOCK'] = request.credentials.socket;
  const settings = [...ownSettings, ...credentialSettings(repositoryAccess(request.access, remote, credentialPipe))];
  env['GIT_CONFIG_PARAMETERS'] = configParameters(settings, request.env['GIT_CONFIG_PARAMETERS']);
  return env;
}

/**
 * Helpers like `ext::` run commands and are never allowed. Files only for a repository that is itself a file: a submodule of
 * a repository from the network must not read other projects' checkouts on this machine.
 */
function allowedProtocols(remote: Remote): string {
  return remote.kind === 'file' ? 'http:https:ssh:git:file' : 'http:https:ssh:git';
}

/** The repository's own credentials count for its own URL; elsewhere at its origin only where nothing else was given. */
function repositoryAccess(access: GitAccess | undefined, remote: Remote, pipe: string | undefined): GitAccess {
  const { credentials, rewrites } = access ?? { credentials: [], rewrites: [] };
  const { origin, url } = remote;
  if (pipe === undefined || origin === undefined) return { credentials, rewrites };
  return {
    credentials: [{ url, pipe }, ...credentials, { url: origin, pipe }],
    // The longest rewrite counts, of equals the first: the URL stays what it is.
    rewrites: rewrites.length === 0 ? [] : [{ from: url, to: url }, ...rewrites],
  };
}

function credentialSettings(access: GitAccess): Settings {
  if (access.credentials.length === 0) return accessSettings(access);
  // The empty value forgets helpers of the machine: what the server was given for this task is what counts.
  return [['credential.helper', ''], ...accessSettings(access)];
}
