import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toolPath } from '../support/tools.ts';

export interface Identity {
  key: string;
  cert: string;
}

export interface Certificates {
  /** PEM file of the authority that signed all but `selfSigned` and `stranger`. */
  caFile: string;
  /** PEM file of another authority. */
  otherCaFile: string;
  /** For localhost, semaphore.test, 127.0.0.1, ::1, 2001:db8::1 and 0.0.0.0. */
  good: Identity;
  /** The same names, signed by the other authority. */
  other: Identity;
  expired: Identity;
  /** Valid from 2090 on. */
  notYet: Identity;
  /** For another.test only. */
  wrongName: Identity;
  selfSigned: Identity;
  selfSignedFile: string;
  /** Signed by an intermediate authority that is not sent along. */
  withoutIntermediate: Identity;
  /** For clients: of the authority, of the other one, and expired. */
  client: IdentityFiles;
  otherClient: IdentityFiles;
  expiredClient: IdentityFiles;
  /** The key of `client`, encrypted with the passphrase `s3cret phrase`. */
  encryptedClientKey: string;
}

export interface IdentityFiles extends Identity {
  certFile: string;
  keyFile: string;
}

const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
const names = 'DNS:localhost,DNS:semaphore.test,IP:127.0.0.1,IP:::1,IP:2001:db8::1,IP:0.0.0.0';

function openssl(...args: string[]): void {
  execFileSync(toolPath('openssl') ?? '', args, { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Makes a small zoo of authorities and certificates with the openssl command. */
export function makeCertificates(directory: string): Certificates {
  const at = (name: string): string => join(directory, name);
  const read = (name: string): Identity => ({
    key: readFileSync(at(`${name}.key`), 'utf8'),
    cert: readFileSync(at(`${name}.pem`), 'utf8'),
  });

  function authority(name: string, ...more: string[]): void {
    const files = ['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)];
    openssl('req', '-x509', ...ec, ...files, '-days', '2', '-subj', `/CN=${name}`, ...more);
  }

  function signed(name: string, by: string, extensions: string, days = '2'): Identity {
    openssl('req', ...ec, '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`), '-subj', `/CN=${name}`);
    writeFileSync(at(`${name}.ext`), extensions);
    const signer = ['-CA', at(`${by}.pem`), '-CAkey', at(`${by}.key`), '-CAcreateserial'];
    const content = ['-days', days, '-extfile', at(`${name}.ext`)];
    openssl('x509', '-req', '-in', at(`${name}.csr`), '-out', at(`${name}.pem`), ...signer, ...content);
    return read(name);
  }

  /** `openssl ca` alone can set the day from which a certificate is valid. */
  function signedFrom(start: string, name: string, by: string, extensions: string): Identity {
    openssl('req', ...ec, '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`), '-subj', `/CN=${name}`);
    writeFileSync(at(`${name}.index`), '');
    const policy = '[ca]\ndefault_ca=d\n[d]\npolicy=p\n[p]\ncommonName=supplied\n[e]\n';
    const database = `database=${at(`${name}.index`)}\nnew_certs_dir=${directory}\nrand_serial=yes\ndefault_md=sha256\n`;
    writeFileSync(at(`${name}.cnf`), policy.replace('[p]', `${database}[p]`) + extensions);
    const signer = ['-cert', at(`${by}.pem`), '-keyfile', at(`${by}.key`)];
    const content = ['-startdate', start, '-enddate', '20991231000000Z', '-extensions', 'e', '-notext'];
    const files = ['-config', at(`${name}.cnf`), '-in', at(`${name}.csr`), '-out', at(`${name}.pem`)];
    openssl('ca', '-batch', ...files, ...signer, ...content);
    return read(name);
  }

  function client(name: string, by: string, days?: string): IdentityFiles {
    const identity = signed(name, by, 'extendedKeyUsage=clientAuth', days);
    return { ...identity, certFile: at(`${name}.pem`), keyFile: at(`${name}.key`) };
  }

  authority('ca');
  authority('other-ca');
  authority('self', '-addext', `subjectAltName=${names}`);
  signed('intermediate', 'ca', 'basicConstraints=CA:TRUE');
  const mine = client('client', 'ca');
  const encrypted = at('client.encrypted.key');
  openssl('pkcs8', '-topk8', '-in', mine.keyFile, '-out', encrypted, '-passout', 'pass:s3cret phrase');
  return {
    caFile: at('ca.pem'),
    otherCaFile: at('other-ca.pem'),
    good: signed('good', 'ca', `subjectAltName=${names}`),
    other: signed('other', 'other-ca', `subjectAltName=${names}`),
    expired: signed('expired', 'ca', `subjectAltName=${names}`, '-1'),
    notYet: signedFrom('20900101000000Z', 'notyet', 'ca', `subjectAltName=${names}\n`),
    wrongName: signed('wrong', 'ca', 'subjectAltName=DNS:another.test'),
    selfSigned: read('self'),
    selfSignedFile: at('self.pem'),
    withoutIntermediate: signed('leaf', 'intermediate', `subjectAltName=${names}`),
    client: mine,
    otherClient: client('other-client', 'other-ca'),
    expiredClient: client('expired-client', 'ca', '-1'),
    encryptedClientKey: encrypted,
  };
}
