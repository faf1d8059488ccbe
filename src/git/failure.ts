import { assertNever } from '../lib/index.ts';

/** Why git failed, in the classes that are treated or explained differently. */
export type GitFailureKind =
  | 'authentication'
  | 'host-key'
  | 'not-found'
  | 'revision'
  | 'refused-protocol'
  | 'network'
  | 'damaged'
  | 'locked'
  | 'ownership'
  | 'disk'
  /** git cannot be started or heard for want of disk, descriptors or processes; `hint` tells what to do. */
  | 'shortage'
  /** git itself cannot be started. */
  | 'no-git'
  /** What git ran in is gone. */
  | 'gone'
  | 'other';

export interface GitFailure {
  kind: GitFailureKind;
  /** What git said, one line; "" when it said nothing. */
  said: string;
  /** May succeed when tried again after a while. */
  retryable: boolean;
  /** The lock file that stands in the way, for `locked`. */
  lock?: string | undefined;
  /** What to do about it, for `shortage`. */
  hint?: string | undefined;
}

/** In this order: the first that matches tells most. Texts of git, curl and OpenSSH in the C locale. */
const patterns: readonly (readonly [GitFailureKind, RegExp])[] = [
  ['disk', /No space left on device|Disk quota exceeded|Read-only file system/i],
  ['host-key', /Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED/i],
  ['refused-protocol', /transport '[^']*' not allowed/i],
  ['ownership', /detected dubious ownership/i],
  [
    'authentication',
    /Authentication failed|could not read (Username|Password)|Permission denied \(|Access denied|HTTP Basic: Access denied|returned error: 40[13]|Invalid username or password|agent refused operation|sign_and_send_pubkey/i,
  ],
  ['locked', /Unable to create '[^']+\.lock': File exists|cannot lock ref .*: Unable to create/i],
  [
    'network',
    /Could not resolve host|Failed to connect|Could ?n.t connect to server|Temporary failure in name resolution|Name or service not known|Connection (refused|reset|timed out|closed)|Broken pipe|No route to host|Network is unreachable|Operation timed out|early EOF|RPC failed|returned error: (408|429|5\d\d)|The remote end hung up unexpectedly|unexpected disconnect|SSL_ERROR|TLS connection was non-properly|Empty reply from server|Recv failure|kex_exchange_identification|banner exchange/i,
  ],
  [
    'damaged',
    /object file .+ is empty|loose object .+ is corrupt|corrupt|bad object|missing (blob|tree|commit|object)|unable to read (tree|sha1 file)|unable to read [0-9a-f]{40}|unable to unpack|inflate: data stream error|pack .+ (is far too short|signature mismatch|not valid|index)|did not send all necessary objects|not a git repository: ['(]?\.|Not a git repository|bad signature|index file (smaller|corrupt)|not a valid object|bad (ref|sha1)|unable to find [0-9a-f]{40}|failed to read object|packed object|reference is not a tree|your current branch appears to be broken/i,
  ],
  ['revision', /couldn't find remote ref|Remote branch .+ not found|not our ref|unadvertised object/i],
  [
    'not-found',
    /Repository not found|repository '[^']+' not found|returned error: 404|does not appear to be a git repository|does not exist|Project .+ could not be found/i,
  ],
];

const retryableKinds: ReadonlySet<GitFailureKind> = new Set(['network', 'other']);

/** Reads what git wrote before it failed. */
export function classifyFailure(output: string): GitFailure {
  const kind = patterns.find(([, pattern]) => pattern.test(output))?.[0] ?? 'other';
  const lock = kind === 'locked' ? /Unable to create '([^']+\.lock)': File exists/.exec(output)?.[1] : undefined;
  return { kind, said: tellingLine(output), retryable: retryableKinds.has(kind), lock };
}

/** The line that says most: git's own `fatal:` or `error:`, else the last one. */
function tellingLine(output: string): string {
  const lines = output
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return (
    lines.find((line) => line.startsWith('fatal: ')) ??
    lines.find((line) => line.startsWith('error: ')) ??
    lines.at(-1) ??
    ''
  );
}

/** Cause and remedy of a failure, for people. `repository` is a URL that may be shown. */
export function explainFailure(failure: GitFailure, repository: string, hadCredentials: boolean): string {
  switch (failure.kind) {
    case 'authentication':
      return hadCredentials
        ? `${repository} refused the credentials. Check the access key of the repository: is it of the right type, and does it still have read access?`
        : `${repository} asks for credentials, and its access key has none that fit. Give the repository a key: login and password or a token for https, an SSH key for ssh.`;
    case 'host-key':
      return `the host key of ${repository} is not the known one. Check it, then correct the file named by ssh.known_hosts_file.`;
    case 'not-found':
      return `${repository} does not exist, or the access key may not see it. Check the URL and the key of the repository.`;
    case 'refused-protocol':
      return `${repository} uses a protocol that is not allowed (${failure.said}). Use https, http, ssh, git or file.`;
    case 'network':
      return `${repository} cannot be reached (${failure.said}). Check the network, the proxy and the server.`;
    case 'ownership':
      return `git does not trust ${repository}, because it belongs to another user. Change its owner, or run the tasks as its owner (process.user).`;
    case 'disk':
      return `there is no room to write to (${failure.said}). Free disk space below tmp_path, or clear the cache of the runner.`;
    case 'damaged':
    case 'locked':
      return `the local copy of ${repository} is damaged and could not be repaired (${failure.said}). Clear the cache of the runner.`;
    case 'shortage':
      return `git cannot work: ${failure.said}. ${failure.hint ?? ''}`.trim();
    case 'no-git':
      return `${failure.said}. Install git, or add its directory to the PATH of the runner.`;
    case 'gone':
      return `git was ended: ${failure.said}. Run the task again.`;
    case 'revision':
    case 'other':
      return `git failed on ${repository}${failure.said === '' ? '' : `: ${failure.said}`}. The lines above show what it said.`;
    default:
      return assertNever(failure.kind);
  }
}
