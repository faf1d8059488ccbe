import { dirname } from 'node:path';
import { sshCommand } from '../ssh/index.ts';
import type { Remote } from './remote.ts';
import type { CheckoutRequest } from './types.ts';

/** Settings of git that are given with the environment: they are in no file and override every file. */
type Settings = readonly (readonly [key: string, value: string])[];

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
 * The environment of git for one checkout (spec 5.5). `credentialPipe` is a named pipe that gives user name and password in
 * the form of git-credential; it is asked for by git only when the server at the remote's origin demands credentials, so
 * they are in no argument, environment or file, and go to no other server.
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
  // Not GIT_CONFIG_COUNT, which git knows from 2.31 on only, and would silently ignore before.
  env['GIT_CONFIG_PARAMETERS'] = [...ownSettings, ...credentialSettings(remote, credentialPipe)]
    .map(([key, value]) => singleQuote(`${key}=${value}`))
    .join(' ');
  return env;
}

/**
 * Helpers like `ext::` run commands and are never allowed. Files only for a repository that is itself a file: a submodule of
 * a repository from the network must not read other projects' checkouts on this machine.
 */
function allowedProtocols(remote: Remote): string {
  return remote.kind === 'file' ? 'http:https:ssh:git:file' : 'http:https:ssh:git';
}

function credentialSettings(remote: Remote, pipe: string | undefined): Settings {
  if (pipe === undefined || remote.origin === undefined) return [];
  return [
    // The empty value forgets helpers of the machine: what the server was given for this repository is what counts.
    ['credential.helper', ''],
    [`credential.${remote.origin}.helper`, `!f() { test "$1" = get && cat ${singleQuote(pipe)}; }; f`],
  ];
}

function singleQuote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
