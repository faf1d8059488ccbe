import { join } from 'node:path/posix';
import type { SshConfig } from '../config/index.ts';
import {
  accessSettings,
  configParameters,
  credentialText,
  parseRemote,
  type GitAccess,
  type GitCredentials,
  type UrlCredentials,
  type UrlRewrite,
} from '../git/index.ts';
import { assertNever } from '../lib/index.ts';
import type { AccessKey, HostConfig } from '../protocol/ui/index.ts';
import { isHostName, isSshLogin, sshCommand, sshConfigFile, type SshHostBlock } from '../ssh/index.ts';
import type { TaskContext } from './context.ts';
import { TaskProblem } from './problem.ts';

/** The keys for other hosts and URLs that a task brings (spec 4.8, 5.5), ready for ssh and git. */
export interface HostAccess {
  /** As configured; with the generated file instead of the administrator's, which that one includes. */
  ssh: SshConfig;
  /** Configuration file for ssh, when hosts have keys of their own. */
  sshConfigFile: string | undefined;
  git: GitAccess;
}

/** What one mapping comes to. */
interface Mapped {
  blocks?: SshHostBlock[];
  rewrites?: UrlRewrite[];
  credentials?: UrlCredentials[];
}

/**
 * Opens the mappings of the job: an agent for every key, a configuration file of the task's own, pipes for passwords. They are
 * closed with the context. Throws TaskProblem when a mapping is not what spec 4.8 allows; one whose key was not sent is
 * left out, because the task may not need it.
 */
export async function openHostAccess(context: TaskContext): Promise<HostAccess> {
  const { host, job, keys, place } = context;
  const mapped: Mapped[] = [];
  for (const mapping of job.hostConfigs ?? []) {
    const key = keys.get(mapping.sshKeyId);
    if (key === undefined || key.type === '' || key.type === 'none') {
      host.log(`The key for ${nameOf(mapping)} is empty or was not sent by the server: it is not used`);
      continue;
    }
    mapped.push(await open(context, mapping, key));
  }
  const blocks = mapped.flatMap((one) => one.blocks ?? []);
  const file =
    blocks.length === 0
      ? undefined
      : await place.writePrivate('ssh-config', sshConfigFile(blocks, place.ssh.configPath));
  return {
    ssh: file === undefined ? place.ssh : { ...place.ssh, configPath: file },
    sshConfigFile: file,
    git: {
      credentials: mapped.flatMap((one) => one.credentials ?? []),
      rewrites: mapped.flatMap((one) => one.rewrites ?? []),
    },
  };
}

/** Environment by which git finds the mapped keys when a tool runs it, over `env` (spec 5.3, step 18). */
export async function hostVariables(
  context: TaskContext,
  env: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const access = await context.hostAccess();
  return {
    ...(access.sshConfigFile === undefined ? {} : { GIT_SSH_COMMAND: sshCommand(access.ssh) }),
    ...parameters(access.git, env),
  };
}

/**
 * Environment of a tool that fetches what the repository requires, over `env`: beside the mapped keys, git may use those of
 * the repository (`sshKey` is one more for the agent), a password at its own scheme, host and port only. What the task itself
 * says of git and ssh counts (spec 5.7, Galaxy environment).
 */
export async function requirementsVariables(
  { context, taskEnv }: { context: TaskContext; taskEnv: Readonly<Record<string, string>> },
  env: Readonly<Record<string, string>>,
  sshKey: AccessKey | undefined,
): Promise<Record<string, string>> {
  const { job, place } = context;
  const { ssh, git } = await context.hostAccess();
  const key = context.keys.get(job.repository.sshKeyId);
  const variables: Record<string, string> = { GIT_TERMINAL_PROMPT: taskEnv['GIT_TERMINAL_PROMPT'] ?? '0' };
  if (key?.type === 'ssh') {
    const keys = sshKey === undefined ? [key] : [key, sshKey];
    if (taskEnv['SSH_AUTH_SOCK'] === undefined) {
      variables['SSH_AUTH_SOCK'] = await context.agentSocketOf(keys, 'requirements');
    }
    if (taskEnv['GIT_SSH_COMMAND'] === undefined) variables['GIT_SSH_COMMAND'] = sshCommand(ssh);
  }
  const remote = parseRemote(job.repository.gitUrl);
  const content = credentialText(repositoryPassword(key), remote);
  if (content === undefined || remote.origin === undefined) return variables;
  const pipe = join(place.privateDirectory, 'repository-credentials');
  await place.handOver([{ path: pipe, content }]);
  const credentials = [...git.credentials, { url: remote.origin, pipe }];
  // `env` has the mapped keys already; these come after them, and all of them once more with the repository's among them.
  return { ...variables, ...parameters({ ...git, credentials }, env) };
}

/** Login and password of a key, as credentials of a repository. */
export function repositoryPassword(key: AccessKey | undefined): GitCredentials {
  return key?.type === 'login_password' ? { kind: 'password', ...key.loginPassword } : { kind: 'none' };
}

function parameters(git: GitAccess, env: Readonly<Record<string, string>>): Record<string, string> {
  const settings = accessSettings(git);
  if (settings.length === 0) return {};
  return { GIT_CONFIG_PARAMETERS: configParameters(settings, env['GIT_CONFIG_PARAMETERS']) };
}

async function open(context: TaskContext, mapping: HostConfig, key: AccessKey): Promise<Mapped> {
  switch (mapping.type) {
    case 'host':
      return await openHost(context, mapping, key);
    case 'url':
      return await openUrl(context, mapping, key);
    default:
      return assertNever(mapping.type);
  }
}

async function openHost(context: TaskContext, mapping: HostConfig, key: AccessKey): Promise<Mapped> {
  if (!isHostName(mapping.host))
    throw refusal(mapping, 'is not a host name', 'Write the name alone, like git.example.com.');
  if (key.type !== 'ssh') throw refusal(mapping, `has a key of type ${key.type}`, 'A host needs an SSH key.');
  const user = loginOf(mapping, key);
  return { blocks: [{ pattern: mapping.host, user, agentSocket: await context.agentSocketOf([key], 'prepare') }] };
}

async function openUrl(context: TaskContext, mapping: HostConfig, key: AccessKey): Promise<Mapped> {
  const url = urlOf(mapping);
  if (key.type === 'ssh') {
    const { hostname } = new URL(url);
    if (!isHostName(hostname))
      throw refusal(mapping, 'has no host name', 'Write it like https://git.example.com/team/.');
    const user = loginOf(mapping, key) ?? 'git';
    const pattern = `semaphore-mapping-${mapping.id}`;
    const path = url.slice(url.indexOf('/', url.indexOf('://') + 3) + 1);
    return {
      blocks: [{ pattern, hostName: hostname, user, agentSocket: await context.agentSocketOf([key], 'prepare') }],
      rewrites: [{ from: url, to: `${user}@${pattern}:${path}` }],
    };
  }
  if (key.type !== 'login_password') {
    throw refusal(mapping, `has a key of type ${key.type}`, 'A URL needs an SSH key, or login and password.');
  }
  if (!url.startsWith('https://')) {
    throw refusal(mapping, 'would send a password unencrypted', 'Use the https URL, or an SSH key.');
  }
  const content = credentialText(repositoryPassword(key), parseRemote(url));
  if (content === undefined) return {};
  const pipe = join(context.place.privateDirectory, `mapping-${mapping.id}`);
  await context.place.handOver([{ path: pipe, content }]);
  return { credentials: [{ url, pipe }] };
}

/** The URL of a mapping, with at least a slash after its host, so that no longer host begins with it. Throws TaskProblem. */
function urlOf(mapping: HostConfig): string {
  const url = /^https?:\/\/[^\s'"=@\\?#\p{Cc}]+$/iu.test(mapping.host) ? parseRemote(mapping.host).url : '';
  if (url === '' || !URL.canParse(url)) {
    throw refusal(
      mapping,
      'is not an http(s) URL',
      'Write it without user name, spaces, quotes, "=", "?" and "#", like https://git.example.com/team/.',
    );
  }
  return /^[a-z]+:\/\/[^/]+$/.test(url) ? `${url}/` : url;
}

function loginOf(mapping: HostConfig, { name, ssh: { login } }: AccessKey): string | undefined {
  if (login === '') return undefined;
  if (isSshLogin(login)) return login;
  throw refusal(
    mapping,
    `has a key, "${name}", whose login cannot be a user name`,
    'A login has letters, digits, ".", "_" and "-" only.',
  );
}

function refusal(mapping: HostConfig, what: string, hint: string): TaskProblem {
  return new TaskProblem('prepare', `the key mapping for ${nameOf(mapping)} ${what}`, hint);
}

/** For people; a password that somebody wrote into the URL is left out. */
function nameOf({ host }: HostConfig): string {
  return JSON.stringify(parseRemote(host).display);
}
