import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { codeOf, ConfigError, messageOf } from '../lib/index.ts';
import { certificatesIn, isCertificate, readPem } from './pem.ts';
import type { ClientCertificateOptions } from './types.ts';

/** What TLS needs to answer a server that asks who we are. */
export interface ClientCertificate {
  cert: string;
  key: string;
  passphrase?: string;
}

const keys = {
  cert: 'runner.connection.client_cert_file',
  key: 'runner.connection.client_key_file',
  passphrase: 'runner.connection.client_key_passphrase_file',
} as const;

/**
 * Reads the certificate (a chain, if it needs one) and its key, which may be encrypted and may be in the same file, and tries them.
 * Throws ConfigError naming file and key: what OpenSSL says of a handshake that fails for them helps nobody.
 */
export async function readClientCertificate(options: ClientCertificateOptions): Promise<ClientCertificate> {
  const { certFile, keyFile = certFile } = options;
  const cert = await readPem(certFile, { what: 'the client certificate', key: keys.cert });
  const [first] = certificatesIn(cert);
  if (first === undefined || !isCertificate(first)) {
    throw new ConfigError(`the client certificate ${certFile} holds no certificate`, {
      key: keys.cert,
      hint: 'It must be a PEM file with the certificate, followed by those between it and its authority.',
    });
  }
  const key = keyFile === certFile ? cert : await readPem(keyFile, { what: 'the client key', key: keys.key });
  const passphrase = await readPassphrase(options);
  const opened = openKey(key, keyFile, passphrase);
  if (!new X509Certificate(first).checkPrivateKey(opened)) {
    throw new ConfigError(`the client key ${keyFile} does not belong to the certificate ${certFile}`, {
      key: keys.key,
      hint: 'Give the key that the certificate was requested with; the certificate itself must be the first in its file.',
    });
  }
  return { cert, key, ...(passphrase === undefined ? {} : { passphrase }) };
}

async function readPassphrase({ passphrase, passphraseFile }: ClientCertificateOptions): Promise<string | undefined> {
  if (passphraseFile === undefined) return passphrase;
  const text = await readPem(passphraseFile, { what: 'the passphrase of the client key', key: keys.passphrase });
  return text.replace(/\r?\n$/, '');
}

function openKey(key: string, file: string, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey({ key, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (error: unknown) {
    const encrypted = /-----BEGIN ENCRYPTED |Proc-Type: 4,ENCRYPTED/.test(key);
    if (encrypted && !passphrase) {
      throw new ConfigError(`the client key ${file} is encrypted, and no passphrase was given`, {
        key: keys.key,
        hint: `Put it into a file and name that in ${keys.passphrase}, or set SEMAPHORE_RUNNER_CLIENT_KEY_PASSPHRASE.`,
        cause: error,
      });
    }
    if (encrypted) {
      throw new ConfigError(`the passphrase does not open the client key ${file}`, {
        key: keys.key,
        cause: error,
      });
    }
    throw new ConfigError(`the client key ${file} holds no private key that can be read (${reasonOf(error)})`, {
      key: keys.key,
      hint: 'It must be a PEM file that begins with -----BEGIN PRIVATE KEY-----, or the like.',
      cause: error,
    });
  }
}

/** Never the text of the file, which OpenSSL does not quote either. */
function reasonOf(error: unknown): string {
  return codeOf(error) ?? messageOf(error);
}
