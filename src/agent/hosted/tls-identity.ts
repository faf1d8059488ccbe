import { X509Certificate, createHash, createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { codeOf, messageOf, UserError } from '../../lib/index.ts';
import { makeSelfSigned } from './self-signed.ts';
import type { TlsOptions } from './types.ts';

/** PEM of a certificate chain and of the key of its first certificate. */
export interface TlsIdentity {
  cert: string;
  key: string;
}

const selfSignedHint = 'For use on this machine, `--self-signed` makes a certificate now.';

/** Reads the certificate and its key, or makes them. Throws UserError when they cannot be used. */
export async function loadTlsIdentity(options: TlsOptions, nowMs: number): Promise<TlsIdentity> {
  if (options.kind === 'self-signed') return makeSelfSigned({ names: options.names ?? [], nowMs });
  const certFile = resolve(options.certPath);
  const keyFile = resolve(options.keyPath);
  const cert = await readPem(certFile, 'certificate', '--tls-cert-path');
  const key = await readPem(keyFile, 'key', '--tls-key-path');
  const certificate = parsed(certFile, 'certificate', () => new X509Certificate(cert));
  const privateKey = parsed(keyFile, 'key', () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new UserError(`the TLS key ${keyFile} does not belong to the certificate ${certFile}`, {
      hint: 'Name the certificate that was made for this key first in the file.',
    });
  }
  return { cert, key };
}

/** What curl takes for `--pinnedpubkey`, so that a certificate that nobody has signed can be recognised. */
export function publicKeyPin(cert: string): string {
  const spki = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256//${createHash('sha256').update(spki).digest('base64')}`;
}

async function readPem(file: string, what: string, flag: string): Promise<string> {
  try {
    return await readFile(file, 'latin1');
  } catch (error: unknown) {
    const why = { ENOENT: 'it does not exist', EACCES: 'no permission', EISDIR: 'it is a directory' }[
      codeOf(error) ?? ''
    ];
    throw new UserError(`cannot read the TLS ${what} ${file}: ${why ?? messageOf(error)}`, {
      hint: `Name a PEM file with \`${flag}\`. ${selfSignedHint}`,
      cause: error,
    });
  }
}

function parsed<Value>(file: string, what: string, parse: () => Value): Value {
  try {
    return parse();
  } catch (error: unknown) {
    throw new UserError(`the TLS ${what} ${file} cannot be used: ${messageOf(error)}`, {
      hint: `It must be a PEM file${what === 'key' ? ' without a passphrase' : ''}.`,
      cause: error,
    });
  }
}
