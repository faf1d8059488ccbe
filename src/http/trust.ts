import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { codeOf, ConfigError, messageOf } from '../lib/index.ts';

/** Where systems keep their bundle of authorities; the first that exists counts. */
const systemBundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

export interface TrustOptions {
  caFile?: string | undefined;
  /** Key of the configuration that `caFile` came from. */
  caFileKey: string;
  env: Readonly<Record<string, string | undefined>>;
}

/**
 * Whom to trust: Node's authorities, the system's (`SSL_CERT_FILE`, or the distribution's bundle), those of `NODE_EXTRA_CA_CERTS`,
 * and those of `caFile`; the original trusted `caFile` alone (spec 7.1 #12). The context is made at the first TLS connection and
 * shared by all: made per connection, it would cost 20 ms each.
 *
 * Throws ConfigError when `caFile` cannot be read or holds no certificate. The other files are the system's business, and are passed
 * over when unreadable, as OpenSSL and Node do.
 */
export async function loadTrust(options: TrustOptions): Promise<() => SecureContext> {
  const own = options.caFile === undefined ? [] : await readCaFile(options.caFile, options.caFileKey);
  let context: SecureContext | undefined;
  return () => (context ??= createSecureContext({ ca: collect(own, options.env) }));
}

function collect(own: readonly string[], env: TrustOptions['env']): string[] {
  const system = env['SSL_CERT_FILE'] ? [env['SSL_CERT_FILE']] : systemBundles;
  const extra = env['NODE_EXTRA_CA_CERTS'] ? [env['NODE_EXTRA_CA_CERTS']] : [];
  // Most of the system's authorities are Node's too; OpenSSL would parse and keep both. The rest is looked at one by one, because a
  // single broken entry would make the whole list fail.
  const known = new Set(rootCertificates.map(condensed));
  const more = [...firstReadable(system), ...firstReadable(extra)].filter(
    (pem) => !known.has(condensed(pem)) && isCertificate(pem),
  );
  return [...rootCertificates, ...more, ...own];
}

function condensed(pem: string): string {
  return pem.replaceAll('\n', '').trim();
}

function firstReadable(files: readonly string[]): string[] {
  for (const file of files) {
    try {
      return certificatesIn(readFileSync(file, 'latin1'));
    } catch {
      // Not on this system.
    }
  }
  return [];
}

function certificatesIn(text: string): string[] {
  return (
    text.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g) ?? []
  );
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).validTo !== '';
  } catch {
    return false;
  }
}

async function readCaFile(file: string, key: string): Promise<string[]> {
  const hint = 'It must be a PEM file with the certificate of the authority that signed the server’s certificate.';
  let text: string;
  try {
    text = await readFile(file, 'latin1');
  } catch (error: unknown) {
    const why = { ENOENT: 'it does not exist', EACCES: 'no permission', EISDIR: 'it is a directory' }[
      codeOf(error) ?? ''
    ];
    throw new ConfigError(`cannot read the CA file ${file}: ${why ?? messageOf(error)}`, { key, hint, cause: error });
  }
  const certificates = certificatesIn(text);
  if (certificates.length === 0) throw new ConfigError(`the CA file ${file} holds no certificate`, { key, hint });
  const broken = certificates.findIndex((pem) => !isCertificate(pem));
  if (broken !== -1)
    throw new ConfigError(`certificate ${broken + 1} of the CA file ${file} cannot be read`, { key, hint });
  return certificates;
}
