import { optionValue } from './options.ts';

/** One `Host` block: connections to `pattern` use this agent and no other. */
export interface SshHostBlock {
  /** A host name, or an alias when `hostName` is given. */
  pattern: string;
  /** Where an alias leads. */
  hostName?: string | undefined;
  /** User name for connections that name none. */
  user?: string | undefined;
  agentSocket: string;
}

/**
 * A configuration file for ssh with keys for single hosts (spec 5.5). ssh takes the first value it finds, so the blocks come
 * before what the administrator has configured. A file given with `-F` makes ssh ignore the usual ones; where the
 * administrator has named none, they are included, so that a mapping adds a key and takes nothing away.
 */
export function sshConfigFile(blocks: readonly SshHostBlock[], administratorsFile: string | undefined): string {
  const lines = blocks.flatMap(({ pattern, hostName, user, agentSocket }) => [
    `Host ${pattern}`,
    ...(hostName === undefined ? [] : [`  HostName ${hostName}`]),
    ...(user === undefined ? [] : [`  User ${user}`]),
    `  IdentityAgent ${optionValue(agentSocket)}`,
  ]);
  const included = administratorsFile === undefined ? '~/.ssh/config /etc/ssh/ssh_config' : quoted(administratorsFile);
  return [...lines, 'Match all', `  Include ${included}`, ''].join('\n');
}

/** A login that cannot be anything but a user name in ssh's configuration and in a URL (spec 5.5). */
export function isSshLogin(text: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(text);
}

/** A plain host name: no pattern, no option, nothing that ends the line. */
export function isHostName(text: string): boolean {
  return text.length <= 255 && /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(text);
}

/** Include knows `%` tokens in some versions only; a path that has a `%` is taken as it is by all others. */
function quoted(path: string): string {
  return /[\s"]/.test(path) ? `"${path.replaceAll('"', String.raw`\"`)}"` : path;
}
