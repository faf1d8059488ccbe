import type { RegistryAccount, RegistryAccountResult } from './registry-account.ts';
import type { RegistryCredential } from './resolve-credential.ts';
import { runTool, type ToolOptions, type ToolResult } from './tools.ts';

export type EcrCredential = Extract<RegistryCredential, { type: 'AWS_ECR' }>;

/** What is known of a login to ECR before its password is fetched. */
export interface EcrLogin {
  /** Of the AWS CLI: 1, or 2 and later. */
  generation: 1 | 2;
  /** Undefined with generation 1 when the credential names none: the password's answer then tells the registry. */
  accountId: string | undefined;
}

/** `output`: what the AWS CLI said about it, without anything secret. */
export interface EcrProblem {
  kind: 'failed';
  output: string;
  reason: string;
}

/** Looks which AWS CLI is here, and with the second generation whose registry is meant (spec CI 6.2.1). */
export async function inspectEcr(
  { accountId, variables }: EcrCredential,
  options: ToolOptions,
): Promise<{ kind: 'known'; login: EcrLogin } | EcrProblem> {
  const version = await runTool('aws', ['--version'], options, { variables });
  if (version.problem !== undefined) return failed(version);
  const major = Number(/^aws-cli\/(\d+)/.exec(version.output.trim())?.[1]);
  if (!(major >= 1)) return failed({ ...version, problem: '`aws --version` does not name a version of the AWS CLI' });
  if (major === 1 || accountId !== undefined)
    return { kind: 'known', login: { generation: major === 1 ? 1 : 2, accountId } };
  const query = ['sts', 'get-caller-identity', '--query', 'Account', '--output', 'text'];
  const identity = await runTool('aws', query, options, { variables });
  if (identity.problem !== undefined) return failed(identity);
  const found = identity.stdout.trim();
  if (!/^\d+$/.test(found)) return failed({ ...identity, problem: `\`aws ${query.join(' ')}\` gave no account` });
  return { kind: 'known', login: { generation: 2, accountId: found } };
}

/**
 * Fetches the password. The first generation is not asked for `get-login`: it prints a command with the password in its arguments,
 * for everybody to see; the same token is had without it.
 */
export async function ecrAccount(
  credential: EcrCredential,
  { generation, accountId }: EcrLogin,
  options: ToolOptions,
): Promise<RegistryAccountResult> {
  const { region, variables } = credential;
  if (generation === 2) {
    const fetched = await runTool('aws', ['ecr', 'get-login-password', '--region', region], options, { variables });
    if (fetched.problem !== undefined) return failed(fetched);
    return account(ecrServer(accountId ?? '', region), fetched.stdout.trim());
  }
  const registry = accountId === undefined ? [] : ['--registry-ids', accountId];
  const query = ['--query', 'authorizationData[0].[authorizationToken,proxyEndpoint]', '--output', 'text'];
  const args = ['ecr', 'get-authorization-token', '--region', region, ...registry, ...query];
  const fetched = await runTool('aws', args, options, { variables });
  if (fetched.problem !== undefined) return failed(fetched);
  const [token = '', endpoint = ''] = fetched.stdout.trim().split(/\s+/);
  const [, password = ''] = /^AWS:(.*)$/s.exec(Buffer.from(token, 'base64').toString('utf8')) ?? [];
  return account(endpoint.replace(/^https?:\/\//, ''), password);
}

/** The registry of an account; the regions in China have a domain of their own. */
export function ecrServer(accountId: string, region: string): string {
  return `${accountId}.dkr.ecr.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
}

function account(server: string, password: string): RegistryAccountResult {
  if (server === '' || password === '')
    return { kind: 'failed', output: '', reason: 'the AWS CLI gave no password for ECR' };
  return { kind: 'account', account: { server, username: 'AWS', password } satisfies RegistryAccount };
}

/** Its standard output may have the token: only what it says on standard error is for people. */
function failed({ output, stdout, problem }: ToolResult): EcrProblem {
  return { kind: 'failed', output: output.slice(0, output.length - stdout.length), reason: problem ?? '' };
}
