import { X509Certificate, createHash, createPrivateKey } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
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
export async function loadTlsIdentity(
  { certPath, keyPath, selfSigned }: TlsOptions,
  nowMs: number,
): Promise<TlsIdentity & { isSelfSigned: boolean }> {
  const certFile = resolve(certPath);
  const keyFile = resolve(keyPath);
  if (selfSigned && !existsSync(certFile) && !existsSync(keyFile)) {
    return { ...makeSelfSigned({ names: [hostname()], nowMs }), isSelfSigned: true };
  }
  const cert = await readPem(certFile, 'certificate', '--tls-cert-path');
  const key = await readPem(keyFile, 'key', '--tls-key-path');
  const certificate = parsed(certFile, 'certificate', () => new X509Certificate(cert));
  const privateKey = parsed(keyFile, 'key', () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new UserError(`the TLS key ${keyFile} does not belong to the certificate ${certFile}`, {
      hint: 'Name the certificate that was made for this key first in the file.',
    });
  }
  return { cert, key, isSelfSigned: false };
}

/**
 * What a client recognises a certificate by that nobody has signed: its SHA-256 fingerprint, and the pin of its key as curl takes it for
 * `--pinnedpubkey`.
 */
export function fingerprints(cert: string): { fingerprint: string; pin: string } {
  const { fingerprint256, publicKey } = new X509Certificate(cert);
  const digest = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
  return { fingerprint: fingerprint256, pin: `sha256//${digest}` };
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
