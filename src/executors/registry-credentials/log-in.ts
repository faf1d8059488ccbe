import { messageOf } from '../../lib/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { JobEvents } from '../job-executor.ts';
import { forgetHelper } from './docker-config.ts';
import { ecrAccount, ecrServer, inspectEcr, type EcrCredential, type EcrLogin } from './ecr.ts';
import { storedAccount, type RegistryAccount } from './registry-account.ts';
import { resolveCredential, type EncodedCredential, type RegistryCredential } from './resolve-credential.ts';
import { runTool, type ToolOptions } from './tools.ts';

export interface LogInOptions extends ToolOptions {
  /** Gets what each login says. Start and end of the command that the logins are shown as are the caller's. */
  events: Pick<JobEvents, 'output'>;
  logger: Pick<Logger, 'info' | 'warn'>;
  /** The directory of `createDockerConfig` that the logins are written to. */
  dockerConfig: string;
}

/**
 * Logs in to all registries of a job (spec CI 6.2.1) and resolves with 0 when all logins went well, else with 1; one that fails does
 * not keep the others from being tried. The line that is shown for a login is the one that users know from the original, with names of
 * variables; what runs is `docker login --password-stdin`, without a shell, so that no password is in an argument or a file.
 */
export async function logIn(credentials: readonly EncodedCredential[], options: LogInOptions): Promise<number> {
  let exitCode = 0;
  for (const encoded of credentials) {
    const resolved = resolveCredential(encoded);
    if (resolved.kind === 'unresolved') {
      options.events.output(`Failed to resolve docker login strategy: ${resolved.reason}\n`);
      options.logger.warn('A credential for images cannot be used', { reason: resolved.reason });
      exitCode = 1;
    } else if (!(await logInOne(resolved.credential, options))) {
      exitCode = 1;
    }
    if (options.signal.aborted) return 1;
  }
  return exitCode;
}

async function logInOne(credential: RegistryCredential, options: LogInOptions): Promise<boolean> {
  const { events } = options;
  const { type } = credential;
  switch (type) {
    case 'DockerHub':
      events.output('Setting up credentials for DockerHub\n');
      events.output('echo $DOCKERHUB_PASSWORD | docker login --username $DOCKERHUB_USERNAME --password-stdin\n');
      return dockerLogin(type, { ...storedAccount(credential), server: '' }, options);
    case 'GenericDocker':
      events.output('Setting up credentials for Docker\n');
      events.output('docker login -u "$DOCKER_USERNAME" -p "$DOCKER_PASSWORD" $DOCKER_URL\n');
      return dockerLogin(type, storedAccount(credential), options);
    case 'GCR': {
      events.output('Setting up credentials for GCR\n');
      events.output('cat /tmp/gcr/keyfile.json | docker login -u _json_key --password-stdin https://$GCR_HOSTNAME\n');
      const account = storedAccount(credential);
      return dockerLogin(type, { ...account, server: `https://${account.server}` }, options);
    }
    case 'AWS_ECR':
      events.output('Setting up credentials for ECR\n');
      return ecrLogin(credential, options);
  }
}

async function ecrLogin(credential: EcrCredential, options: LogInOptions): Promise<boolean> {
  const failed = ({ output, reason }: { output: string; reason: string }): boolean => {
    sayOutput(`${output}${output === '' || output.endsWith('\n') ? '' : '\n'}${reason}`, options);
    options.logger.warn('A login to a registry failed', { type: credential.type, reason });
    return false;
  };
  const inspected = await inspectEcr(credential, options);
  if (inspected.kind === 'failed') return failed(inspected);
  options.events.output(`${ecrCommand(inspected.login, credential.region)}\n`);
  const result = await ecrAccount(credential, inspected.login, options);
  return result.kind === 'failed' ? failed(result) : dockerLogin(credential.type, result.account, options);
}

function ecrCommand({ generation, accountId }: EcrLogin, region: string): string {
  if (generation === 1) {
    const registry = accountId === undefined ? '' : ` --registry-ids ${accountId}`;
    return `$(aws ecr get-login --no-include-email --region $AWS_REGION${registry})`;
  }
  const server = ecrServer(accountId ?? '', region).replace(region, '$AWS_REGION');
  return `aws ecr get-login-password --region $AWS_REGION | docker login --username AWS --password-stdin ${server}`;
}

/** `server` empty: Docker Hub. */
async function dockerLogin(type: string, account: RegistryAccount, options: LogInOptions): Promise<boolean> {
  const { events, logger, dockerConfig } = options;
  const { server, username, password } = account;
  try {
    forgetHelper(dockerConfig, server === '' ? 'https://index.docker.io/v1/' : server);
  } catch (error: unknown) {
    events.output('The Docker configuration of the job cannot be written\n');
    logger.warn('The Docker configuration of the job cannot be written', { error: messageOf(error) });
    return false;
  }
  const args = ['login', `--username=${username}`, '--password-stdin', ...(server === '' ? [] : ['--', server])];
  const variables = { DOCKER_CONFIG: dockerConfig };
  const { output, problem } = await runTool('docker', args, options, { variables, input: password });
  // What docker itself says is enough where it could say something.
  sayOutput(output === '' ? (problem ?? '') : output, options);
  if (problem === undefined) return true;
  logger.warn('A login to a registry failed', { type, server, reason: problem });
  return false;
}

/** Line by line, as the original does: what ends with a newline has an empty line after it. */
function sayOutput(text: string, { events }: LogInOptions): void {
  for (const line of text.split('\n')) events.output(`${line}\n`);
}
