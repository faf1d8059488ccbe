import type { SshConfig } from '../config/index.ts';

/** Arguments for `ssh` that follow from the configuration (spec 5.5): host key policy and configuration file. */
export function sshArguments(config: SshConfig): string[] {
  const { strictHostKeyChecking: mode, knownHostsFile } = config;
  const args = ['-o', `StrictHostKeyChecking=${mode}`];
  const knownHosts = mode === 'no' ? '/dev/null' : knownHostsFile;
  if (knownHosts !== undefined) args.push('-o', `UserKnownHostsFile=${optionValue(knownHosts)}`);
  // There is nobody to answer a question; without this ssh would look for a terminal to ask on.
  args.push('-o', 'BatchMode=yes');
  if (config.configPath !== undefined) args.push('-F', config.configPath);
  return args;
}

/** The value of `GIT_SSH_COMMAND`, which git gives to a shell. */
export function sshCommand(config: SshConfig): string {
  return ['ssh', ...sshArguments(config)].map(shellQuote).join(' ');
}

/** One path in the value of an option: such values are split at spaces, and `%` starts a token. */
export function optionValue(path: string): string {
  const escaped = path.replaceAll('%', '%%');
  return /[\s"]/.test(escaped) ? `"${escaped.replaceAll('"', String.raw`\"`)}"` : escaped;
}

function shellQuote(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
