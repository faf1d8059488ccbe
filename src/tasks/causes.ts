import { terraformCauses } from './apps/terraform/causes.ts';
import { onTheMachine } from './tools-at.ts';

/** A common cause of a failed step, found by what the tool wrote last. `docs/failures.md` is made from this table. */
export interface KnownCause {
  /** Names the cause in the catalogue; never changes. */
  id: string;
  /** Tools that say so; empty for any. */
  tools: readonly string[];
  /** Matched against the end of the output without colour codes. Its first group, if any, stands in `cause` as `$1`. */
  pattern: RegExp;
  cause: string;
  hint: string;
}

const ansible = ['ansible-playbook', 'ansible-galaxy'] as const;

/** In this order: the first that matches tells most. Texts of the tools in English, which is what their logs are in. */
export const knownCauses: readonly KnownCause[] = [
  {
    id: 'disk-full',
    tools: [],
    pattern: /No space left on device|Disk quota exceeded/i,
    cause: 'a disk is full',
    hint: 'Free space on the machine the line names; on the runner, the work directory is tmp_path.',
  },
  {
    id: 'read-only',
    tools: [],
    pattern: /Read-only file system/i,
    cause: 'a file system is read-only',
    hint: 'See the kernel log of the machine for why, and mount it writable.',
  },
  {
    id: 'out-of-memory',
    tools: [],
    pattern:
      /Cannot allocate memory|MemoryError|fork: retry: Resource temporarily unavailable|JavaScript heap out of memory/i,
    cause: 'there was not enough memory',
    hint: 'Run fewer tasks at a time (max_parallel_tasks), use fewer forks, or give the machine more.',
  },
  {
    id: 'vault-password',
    tools: ansible,
    pattern:
      /Decryption failed \(no vault secrets were found that could decrypt\)|Decryption failed on|HMAC verification failed/i,
    cause: 'a vault password is wrong',
    hint: 'Check the vaults of the template: the password, and the vault id the file was encrypted with.',
  },
  {
    id: 'vault-missing',
    tools: ansible,
    pattern: /Attempting to decrypt but no vault secrets found/i,
    cause: 'a file is encrypted with Ansible Vault and the template has no vault password',
    hint: 'Add a vault to the template.',
  },
  {
    id: 'sshpass-missing',
    tools: ansible,
    pattern: /you must install the sshpass program/i,
    cause: 'logging in with a password needs sshpass, which is not installed',
    hint: `Install sshpass ${onTheMachine}, or use an SSH key.`,
  },
  {
    id: 'become-password',
    tools: ansible,
    pattern: /Missing sudo password|Incorrect sudo password|sudo: a password is required|Incorrect su password/i,
    cause: 'becoming another user failed for want of the right password',
    hint: 'Set the become key of the inventory, and check its password.',
  },
  {
    id: 'host-key',
    tools: [],
    pattern: /Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED/i,
    cause: "a host's SSH key is not the expected one",
    hint: 'Check that it is the right host, then correct the known_hosts file (ssh.known_hosts_file).',
  },
  {
    id: 'login-refused',
    tools: ['ansible-playbook'],
    pattern: /Permission denied \((?:publickey|password|keyboard-interactive|gssapi)|Invalid\/incorrect password/i,
    cause: 'a host refused the login',
    hint: 'Check user and key of the inventory, and that the public key is on the host.',
  },
  {
    id: 'unknown-host',
    tools: [],
    pattern: /Could not resolve host(?:name)?:? ([^\s:"\\]+)/i,
    cause: 'the name $1 is not known',
    hint: "Check the spelling and the name servers of the runner's machine.",
  },
  {
    id: 'connection-refused',
    tools: ['ansible-playbook'],
    pattern: /Connection refused/i,
    cause: 'a host refused the connection',
    hint: 'Check address and port, and that sshd runs there.',
  },
  {
    id: 'connection-timeout',
    tools: ['ansible-playbook'],
    pattern: /Connection timed out|Operation timed out|No route to host|Network is unreachable/i,
    cause: 'a host cannot be reached',
    hint: "Check address, firewall and routes from the runner's machine.",
  },
  {
    id: 'module-missing',
    tools: ansible,
    pattern: /couldn't resolve module\/action '([^']+)'/i,
    cause: 'Ansible does not know the module $1',
    hint: 'Add its collection to collections/requirements.yml, or check the spelling.',
  },
  {
    id: 'role-missing',
    tools: ansible,
    pattern: /the role '([^']+)' was not found/i,
    cause: 'the role $1 is not there',
    hint: 'Add it to roles/requirements.yml or to the repository.',
  },
  {
    id: 'playbook-missing',
    tools: ansible,
    pattern: /the playbook: (\S+) could not be found/i,
    cause: 'there is no playbook $1',
    hint: 'Correct the playbook file of the template.',
  },
  {
    id: 'yaml-syntax',
    tools: ansible,
    pattern: /Syntax Error while loading YAML|We were unable to read either as JSON nor YAML|YAML parsing failed/i,
    cause: 'a file is not valid YAML',
    hint: 'The lines above name the file and the place.',
  },
  {
    id: 'no-hosts',
    tools: ansible,
    pattern:
      /Specified (?:hosts|inventory, host pattern) and\/or --limit (?:does not match any hosts|leaves us with no hosts)/i,
    cause: 'the limit matches no host of the inventory',
    hint: 'Correct the limit of the task or the template.',
  },
  {
    id: 'undefined-variable',
    tools: ansible,
    pattern: /The error was: '([^']+)' is undefined/i,
    cause: 'the variable $1 is not defined',
    hint: 'Define it in the inventory, the variable group or the survey.',
  },
  {
    id: 'old-ansible',
    tools: ansible,
    pattern: /unrecognized arguments: .*--(?:connection|become)-password-file/i,
    cause: 'this Ansible is too old to be given passwords safely',
    hint: `Install ansible-core 2.12 or newer ${onTheMachine}.`,
  },
  {
    id: 'wrong-interpreter',
    tools: [],
    pattern:
      /bad interpreter: |cannot execute: required file not found|(\/\S*python[\d.]*): (?:not found|No such file or directory)|The module failed to execute correctly, you probably need to set the interpreter/i,
    cause: 'the interpreter that a script asks for is not there',
    hint: 'Install it, or correct the first line of the script or ansible_python_interpreter.',
  },
  {
    id: 'crlf',
    tools: [],
    pattern: /\$'\\r': command not found|\$'.*\\r': command not found/,
    cause: 'the script has Windows line ends',
    hint: 'Store it with LF line ends (git: `*.sh text eol=lf` in .gitattributes).',
  },
  {
    id: 'command-missing',
    tools: [],
    pattern: /(?:^|\n)[^\n]*?line \d+: ([^\s:]+): command not found/,
    cause: 'the script calls $1, which is not installed',
    hint: `Install it ${onTheMachine}, or add its directory to the PATH of tasks.`,
  },
  {
    id: 'python-module',
    tools: [],
    pattern: /ModuleNotFoundError: No module named '([^']+)'/,
    cause: 'the Python module $1 is not installed',
    hint: `Install it for the Python that runs the script ${onTheMachine}.`,
  },
  {
    id: 'python-syntax',
    tools: ['python3'],
    pattern: /(?:SyntaxError|IndentationError|TabError): (.+)/,
    cause: 'the script is not valid Python ($1)',
    hint: 'The lines above name the file and the place.',
  },
  {
    id: 'shell-syntax',
    tools: [],
    pattern:
      /syntax error near unexpected token|syntax error: unexpected end of file|unexpected EOF while looking for matching/i,
    cause: 'the script has a syntax error',
    hint: '`bash -n FILE` finds it without running anything.',
  },
  {
    id: 'script-missing',
    tools: ['bash', 'python3', 'pwsh', 'powershell'],
    pattern: /(?:^|\n)(?:\S*bash: |\S*python[\d.]*: can't open file )[^\n]*No such file or directory\s*$/,
    cause: 'there is no such script in the repository',
    hint: 'Correct the script file of the template, or the branch.',
  },
  {
    id: 'galaxy-authentication',
    tools: ['ansible-galaxy'],
    pattern: /Authentication\s+failed|could\s+not\s+read\s+Username|Permission\s+denied\s+\(publickey/i,
    cause: 'the server of a role or collection refused the login',
    hint: "Give the repository's key access to it, or add a host mapping for its server.",
  },
  {
    id: 'galaxy-network',
    tools: ['ansible-galaxy'],
    // Its lines are wrapped, anywhere between words.
    pattern:
      /Unknown\s+error\s+when\s+attempting\s+to\s+call\s+Galaxy|Failed\s+to\s+(?:download|get|connect)|urlopen\s+error|Connection\s+(?:refused|timed\s+out)|No\s+route\s+to\s+host|Network\s+is\s+unreachable/i,
    cause: 'a role or collection cannot be downloaded',
    hint: "Check the way from the runner's machine to the server; a proxy goes into env_vars or forwarded_env_vars.",
  },
  ...terraformCauses,
];

const colourCodes = new RegExp(String.raw`\u001b\[[0-9;]*[A-Za-z]`, 'g');

/** The known cause that the end of a tool's output tells of, with its words filled in. */
export function findCause(tool: string, output: string): { cause: string; hint: string } | undefined {
  const text = output.replaceAll(colourCodes, '');
  for (const { tools, pattern, cause, hint } of knownCauses) {
    if (tools.length > 0 && !tools.includes(tool)) continue;
    const match = pattern.exec(text);
    if (match) return { cause: cause.replaceAll('$1', match[1] ?? ''), hint };
  }
  return undefined;
}
