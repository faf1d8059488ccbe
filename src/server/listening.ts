import { readFile } from 'node:fs/promises';
import { parseListen, type ServerConfig } from '../config/index.ts';
import { messageOf, UserError } from '../lib/index.ts';

/** The configuration with the address of the command line, if there is one. Throws UserError when that is none. */
export function withListen(config: ServerConfig, flag: string | undefined): ServerConfig {
  if (flag === undefined) return config;
  const address = parseListen(flag);
  if (!address) throw new UserError(`--listen ${flag}: expected host:port or a port, for example 127.0.0.1:3000`);
  return { ...config, listen: address };
}

/** Throws UserError when a file cannot be read. */
export async function readTls(tls: NonNullable<ServerConfig['tls']>): Promise<{ cert: string; key: string }> {
  try {
    return { cert: await readFile(tls.certFile, 'utf8'), key: await readFile(tls.keyFile, 'utf8') };
  } catch (error: unknown) {
    throw new UserError(`the certificate or its key cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** What the owner of a server that others can reach should know. */
export function exposureWarnings(config: ServerConfig): string[] {
  const { host } = config.listen;
  if (config.tls || host === 'localhost' || host === '::1' || host.startsWith('127.')) return [];
  return [
    `The server can be reached from the network (${host}) without TLS: tokens and the secrets of tasks travel in plain text. Set tls in the server file, or put a proxy with TLS in front of it.`,
  ];
}
