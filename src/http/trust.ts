import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { codeOf, ConfigError, messageOf } from '../lib/index.ts';
import { type ClientCertificate, readClientCertificate } from './client-certificate.ts';
import { certificatesIn, isCertificate, readPem } from './pem.ts';
import type { ClientCertificateOptions } from './types.ts';

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
  clientCertificate?: ClientCertificateOptions | undefined;
  env: Readonly<Record<string, string | undefined>>;
  /** Told when files have changed and cannot be used; what was read before stays in use. */
  onWarning?: ((text: string) => void) | undefined;
}

interface Material {
  own: readonly string[];
  client: ClientCertificate | undefined;
}

/**
 * Whom to trust, and who we are. Trusted are Node's authorities, the system's (`SSL_CERT_FILE`, or the distribution's bundle), those of
 * `NODE_EXTRA_CA_CERTS`, and those of `caFile`; the original trusted `caFile` alone (spec 7.1 #12). The files that were configured
 * are looked at before every request, so that certificates that live for hours can be replaced under a running program.
 */
export class Trust {
  readonly #options: TrustOptions;
  #material: Material;
  #seen: string;
  #context: SecureContext | undefined;
  /** Why the files of now cannot be used; told once. */
  #complaint: string | undefined;

  private constructor(options: TrustOptions, material: Material, seen: string) {
    this.#options = options;
    this.#material = material;
    this.#seen = seen;
  }

  /**
   * Throws ConfigError when a configured file cannot be used. The system's files are the system's business, and are passed over when
   * unreadable, as OpenSSL and Node do.
   */
  static async load(options: TrustOptions): Promise<Trust> {
    const seen = await versionsOf(options);
    return new Trust(options, await read(options), seen);
  }

  /** Made at the first TLS connection and shared by all: made per connection, it would cost 20 ms each. */
  context(): SecureContext {
    const { own, client } = this.#material;
    this.#context ??= createSecureContext({ ca: collect(own, this.#options.env), ...client });
    return this.#context;
  }

  /**
   * Reads the files again if they have changed; true when connections must be made anew. In the middle of a rotation a certificate
   * may already be new and its key still old: the pair in use stays until they fit.
   */
  async refresh(): Promise<boolean> {
    const seen = await versionsOf(this.#options);
    if (seen === this.#seen) return false;
    try {
      this.#material = await read(this.#options);
    } catch (error: unknown) {
      const complaint = messageOf(error);
      if (complaint !== this.#complaint) this.#options.onWarning?.(`${complaint}; what was read before stays in use`);
      this.#complaint = complaint;
      return false;
    }
    this.#seen = seen;
    this.#complaint = undefined;
    this.#context = undefined;
    return true;
  }
}

async function read({ caFile, caFileKey, clientCertificate }: TrustOptions): Promise<Material> {
  return {
    own: caFile === undefined ? [] : await readCaFile(caFile, caFileKey),
    client: clientCertificate && (await readClientCertificate(clientCertificate)),
  };
}

/** Changes whenever one of the configured files is replaced or written to. */
async function versionsOf({ caFile, clientCertificate: client }: TrustOptions): Promise<string> {
  const files = [caFile, client?.certFile, client?.keyFile, client?.passphraseFile];
  const versions = files.map(async (file) => {
    if (file === undefined) return '';
    try {
      const { ino, size, mtimeMs } = await stat(file);
      return `${ino} ${size} ${mtimeMs}`;
    } catch (error: unknown) {
      return codeOf(error) ?? 'unreadable';
    }
  });
  return (await Promise.all(versions)).join('\n');
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

async function readCaFile(file: string, key: string): Promise<string[]> {
  const hint = 'It must be a PEM file with the certificate of the authority that signed the server’s certificate.';
  const certificates = certificatesIn(await readPem(file, { what: 'the CA file', key, hint }));
  if (certificates.length === 0) throw new ConfigError(`the CA file ${file} holds no certificate`, { key, hint });
  const broken = certificates.findIndex((pem) => !isCertificate(pem));
  if (broken !== -1)
    throw new ConfigError(`certificate ${broken + 1} of the CA file ${file} cannot be read`, { key, hint });
  return certificates;
}
