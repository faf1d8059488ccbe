import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Key and certificate, PEM. */
export interface KeyPair {
  key: string;
  certificate: string;
}

/** A certificate authority of the test's own, made with openssl in a private directory. */
export class CertificateAuthority {
  readonly certificate: string;
  readonly #directory: string;
  #serial = 1;

  constructor(directory: string) {
    this.#directory = directory;
    openssl(directory, [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=kubernetes-stand-in',
      '-keyout',
      'ca.key',
      '-out',
      'ca.crt',
    ]);
    this.certificate = readFileSync(join(directory, 'ca.crt'), 'utf8');
  }

  forServer(): KeyPair {
    return this.#issue(
      '/CN=kube-apiserver',
      'subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc\nextendedKeyUsage=serverAuth\n',
    );
  }

  /** A certificate that says who a client is: the user is its CN, its groups are its O. */
  forClient(user: string, groups: readonly string[]): KeyPair {
    return this.#issue(`/CN=${user}${groups.map((group) => `/O=${group}`).join('')}`, 'extendedKeyUsage=clientAuth\n');
  }

  #issue(subject: string, extensions: string): KeyPair {
    this.#serial += 1;
    const name = `issued-${this.#serial}`;
    writeFileSync(join(this.#directory, `${name}.ext`), extensions);
    openssl(this.#directory, [
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-subj',
      subject,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
    ]);
    openssl(this.#directory, [
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.crt',
      '-CAkey',
      'ca.key',
      '-set_serial',
      String(this.#serial),
      '-days',
      '2',
      '-extfile',
      `${name}.ext`,
      '-out',
      `${name}.crt`,
    ]);
    const read = (ending: string): string => readFileSync(join(this.#directory, `${name}.${ending}`), 'utf8');
    return { key: read('key'), certificate: read('crt') };
  }
}

function openssl(cwd: string, args: readonly string[]): void {
  execFileSync('openssl', args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
}
