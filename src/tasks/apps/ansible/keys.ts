import type { AccessKey } from '../../../protocol/ui/index.ts';
import { TaskProblem } from '../../problem.ts';

/** How Ansible logs in to its hosts and becomes another user there. */
export interface AnsibleCredentials {
  user: string | undefined;
  /** Key for the ssh-agent. */
  sshKey: AccessKey | undefined;
  connectionPassword: string | undefined;
  becomeUser: string | undefined;
  becomePassword: string | undefined;
}

/**
 * Reads the inventory's keys by the rules of spec 5.7: ssh, login_password or none to log in; login_password or none to
 * become. Throws TaskProblem for any other type.
 */
export function ansibleCredentials(login: AccessKey | undefined, become: AccessKey | undefined): AnsibleCredentials {
  if (login?.type === 'string') {
    throw new TaskProblem(
      'inventory',
      `access key type not supported for ansible user: the key "${login.name}" is a string`,
      'Use an SSH key, or login and password.',
    );
  }
  if (become !== undefined && become.type !== 'login_password' && become.type !== 'none' && become.type !== '') {
    throw new TaskProblem(
      'inventory',
      `the become key "${become.name}" is of type ${become.type}`,
      'Use login and password.',
    );
  }
  const ssh = login?.type === 'ssh' ? login : undefined;
  const password = login?.type === 'login_password' ? login.loginPassword : undefined;
  const becomeLogin = become?.type === 'login_password' ? become.loginPassword : undefined;
  return {
    user: filled(ssh?.ssh.login) ?? filled(password?.login),
    sshKey: ssh,
    connectionPassword: filled(password?.password),
    becomeUser: filled(becomeLogin?.login),
    becomePassword: filled(becomeLogin?.password),
  };
}

function filled(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
