import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';
import { bitString, boolean, integer, objectId, octetString, sequence, set, tagged, time, utf8String } from './der.ts';
import type { TlsIdentity } from './tls-identity.ts';

const dayMs = 24 * 60 * 60 * 1000;
/** The process that it is made for will not live longer. */
const lifetimeMs = 365 * dayMs;

const oid = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
};

export interface SelfSignedOptions {
  /** Host names and addresses, besides localhost, 127.0.0.1 and ::1. */
  names?: readonly string[];
  nowMs: number;
}

/**
 * Makes a key (ECDSA P-256) and a certificate that it signs itself, for use on this machine. Node.js reads X.509 certificates but does not
 * make them, and the openssl command need not be there. Nothing is written to the disk.
 */
export function makeSelfSigned({ names = [], nowMs }: SelfSignedOptions): TlsIdentity {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(objectId(oid.ecdsaWithSha256));
  const name = sequence(set(sequence(objectId(oid.commonName), utf8String('semaphore agent'))));
  const content = sequence(
    tagged(0xa0, integer(Buffer.of(2))), // version 3
    integer(randomBytes(16)),
    algorithm,
    name,
    // A client's clock may be behind.
    sequence(time(new Date(nowMs - dayMs)), time(new Date(nowMs + lifetimeMs))),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...extensions([...new Set(['localhost', '127.0.0.1', '::1', ...names])]))),
  );
  const der = sequence(content, algorithm, bitString(sign('sha256', content, privateKey)));
  const lines = der.toString('base64').replaceAll(/.{1,64}/g, '$&\n');
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function extensions(names: readonly string[]): Buffer[] {
  const digitalSignature = bitString(Buffer.of(0x80), 7);
  return [
    extension(oid.basicConstraints, sequence(), true),
    extension(oid.keyUsage, digitalSignature, true),
    extension(oid.extendedKeyUsage, sequence(objectId(oid.serverAuth)), false),
    extension(oid.subjectAltName, sequence(...names.map(generalName)), false),
  ];
}

function extension(id: string, value: Buffer, isCritical: boolean): Buffer {
  return sequence(objectId(id), ...(isCritical ? [boolean(true)] : []), octetString(value));
}

function generalName(name: string): Buffer {
  return isIP(name) === 0 ? tagged(0x82, Buffer.from(name, 'ascii')) : tagged(0x87, addressBytes(name));
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  // The URL parser writes an IPv4 ending as two groups.
  const groups = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [left = '', right] = groups.split('::');
  const before = left.split(':').filter((group) => group !== '');
  const after = (right ?? '').split(':').filter((group) => group !== '');
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  return Buffer.from([...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join(''), 'hex');
}
