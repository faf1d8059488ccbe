import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DockerExecutorConfig } from '../../config/index.ts';
import { UserError } from '../../lib/index.ts';
import type { DockerCommand } from './docker-cli.ts';

export type HostEnvironment = Readonly<Record<string, string | undefined>>;

/** What of the runner's environment the `docker` command is to see: where the engine is, and whom to log in as. */
const passedOn =
  /^(PATH|HOME|USER|LOGNAME|TMPDIR|SSH_AUTH_SOCK|XDG_\w+|DOCKER_\w+|SSL_CERT_\w+|(https?|no|all)_proxy|SYSTEMROOT|USERPROFILE|APPDATA|PROGRAM\w+)$/i;

/** How to reach the configured engine. */
export function dockerCommand(config: DockerExecutorConfig, env: HostEnvironment, tag: string): DockerCommand {
  const kept = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && passedOn.test(entry[0]),
  );
  return {
    options: [...(config.host === undefined ? [] : ['--host', config.host]), ...tlsOptions(config, env)],
    // What is said in another language would not be understood.
    env: { ...Object.fromEntries(kept), LC_ALL: 'C' },
    tag,
  };
}

/** Where the engine is, for messages. */
export function engineName(config: DockerExecutorConfig, env: HostEnvironment): string {
  const host = config.host ?? (env['DOCKER_HOST'] || undefined);
  return host === undefined ? 'the local Docker engine' : `the Docker engine at ${host}`;
}

/** Throws UserError when the directory of certificates lacks something. */
export function checkCertificates(config: DockerExecutorConfig): void {
  const { certPath } = config;
  if (certPath === undefined) return;
  const missing = ['ca.pem', 'cert.pem', 'key.pem'].filter((name) => !existsSync(join(certPath, name)));
  if (missing.length === 0) return;
  throw new UserError(`runner.executor.docker.cert_path ${certPath} has no ${missing.join(', no ')}`, {
    hint: 'It is the directory with ca.pem, cert.pem and key.pem, readable by the user of the runner.',
  });
}

function tlsOptions(config: DockerExecutorConfig, env: HostEnvironment): string[] {
  const { certPath, tlsVerify } = config;
  if (!(config.host ?? env['DOCKER_HOST'] ?? '').startsWith('tcp:') || (!tlsVerify && certPath === undefined))
    return [];
  const files =
    certPath === undefined
      ? []
      : ['ca', 'cert', 'key'].map((name) => [`--tls${name === 'ca' ? 'cacert' : name}`, join(certPath, `${name}.pem`)]);
  return [tlsVerify ? '--tlsverify' : '--tls', ...files.flat()];
}
