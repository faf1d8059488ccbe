import type { Remote } from './remote.ts';
import type { GitCredentials } from './types.ts';

/** Works with tokens in the password of any login; some servers want precisely this one. */
const tokenLogin = 'x-token-auth';

/**
 * User name and password in the form of git-credential, for a remote that can use them: those that are given, or those that
 * are written into its URL.
 */
export function credentialText(credentials: GitCredentials, remote: Remote): string | undefined {
  if (remote.kind !== 'http') return undefined;
  const { login, password } =
    credentials.kind === 'password' ? credentials : { login: remote.login ?? '', password: remote.password };
  if (credentials.kind !== 'password' && remote.login === undefined) return undefined;
  // A lone user name in a URL is how tokens are written there.
  if (password === undefined) return lines(login, '');
  return lines(login === '' ? tokenLogin : login, password);
}

/** One line each; git-credential has no way to write a line break, and no password has one. */
function lines(login: string, password: string): string {
  const oneLine = (text: string): string => text.replaceAll(/[\r\n\0]/g, '');
  return `username=${oneLine(login)}\npassword=${oneLine(password)}\n`;
}
