import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { codeOf, ConfigError, messageOf } from '../lib/index.ts';

/** The certificates in a PEM text, each as a text of its own. */
export function certificatesIn(text: string): string[] {
  return (
    text.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g) ?? []
  );
}

export function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).validTo !== '';
  } catch {
    return false;
  }
}

export interface PemFile {
  /** "the CA file", as the message names it. */
  what: string;
  /** Key of the configuration the path came from. */
  key: string;
  hint?: string;
}

/** The text of a file that the configuration names. Throws ConfigError when it cannot be read. */
export async function readPem(file: string, { what, key, hint }: PemFile): Promise<string> {
  try {
    return await readFile(file, 'latin1');
  } catch (error: unknown) {
    const why = { ENOENT: 'it does not exist', EACCES: 'no permission', EISDIR: 'it is a directory' }[
      codeOf(error) ?? ''
    ];
    const text = `cannot read ${what} ${file}: ${why ?? messageOf(error)}`;
    throw new ConfigError(text, { key, cause: error, ...(hint === undefined ? {} : { hint }) });
  }
}
