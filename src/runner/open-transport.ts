import type { RunnerConfig } from '../config/index.ts';
import { createTransport, type HttpTransport, type TransportOptions } from '../http/index.ts';

/** The way to the server as the configuration wants it. Throws ConfigError when a certificate or key cannot be used. */
export async function openTransport(
  connection: RunnerConfig['runner']['connection'],
  env: TransportOptions['env'],
  onWarning?: TransportOptions['onWarning'],
): Promise<HttpTransport> {
  const { serverCaCertFile: caFile, skipTlsVerify, clientCertificate } = connection;
  return await createTransport({ caFile, skipTlsVerify, clientCertificate, env, onWarning });
}
