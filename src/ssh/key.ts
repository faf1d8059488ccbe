import { createPrivateKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { messageOf, UserError } from '../lib/index.ts';
import { wireInteger, wireString } from './wire.ts';

/** A private key in the forms that an ssh-agent is given (draft-ietf-sshm-ssh-agent, section 3.2). */
export interface AgentKey {
  /** Public key in wire form (RFC 4253, section 6.6). */
  publicBlob: Buffer;
  /** Its kind and all its numbers, the private ones among them. */
  privateBlob: Buffer;
  comment: string;
}

/**
 * Reads a private key: OpenSSH, PEM (PKCS#1, SEC1, PKCS#8) or PuTTY form; line ends and a missing last one do not matter.
 * Throws UserError when it is not a key, is encrypted and `passphrase` is empty or wrong, or is a public key.
 */
export async function readKey(text: string, passphrase: string, comment: string): Promise<AgentKey> {
  const normalised = `${text.replaceAll('\r\n', '\n').trim()}\n`;
  const key = readPkcs8(normalised, passphrase) ?? (await readOthers(normalised, passphrase));
  const blobs = blobsOf(key.export({ format: 'jwk' }));
  if (blobs) return { ...blobs, comment };
  throw new UserError(`SSH keys of this kind (${key.asymmetricKeyType}) are not supported.`, {
    hint: 'Use an Ed25519, ECDSA or RSA key.',
  });
}

/** What the parser of the others does not know. */
function readPkcs8(text: string, passphrase: string): KeyObject | undefined {
  if (!/^-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/.test(text)) return undefined;
  try {
    return createPrivateKey({ key: text, ...(passphrase === '' ? {} : { passphrase }) });
  } catch (error: unknown) {
    throw unusable(error, text, passphrase);
  }
}

async function readOthers(text: string, passphrase: string): Promise<KeyObject> {
  const { default: ssh2 } = await import('ssh2');
  const parsed = ssh2.utils.parseKey(text, passphrase === '' ? undefined : passphrase);
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  if (!key || key instanceof Error) throw unusable(key, text, passphrase);
  if (!key.isPrivateKey()) {
    throw new UserError('The SSH key is a public key; a private key is needed.', {
      hint: 'Paste the file without the ending .pub into the key store.',
    });
  }
  try {
    return createPrivateKey(key.getPrivatePEM());
  } catch (error: unknown) {
    throw unusable(error, text, '');
  }
}

function unusable(error: unknown, text: string, passphrase: string): UserError {
  const encrypted = /encrypted|passphrase/i.test(messageOf(error ?? '')) || text.includes('ENCRYPTED');
  if (encrypted && passphrase === '') {
    return new UserError('The SSH key is encrypted and no passphrase is given.', {
      hint: 'Enter its passphrase in the key store.',
    });
  }
  if (passphrase !== '' && /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    return new UserError('The SSH key cannot be read with the passphrase that is given.', {
      hint: 'Check the passphrase in the key store; `ssh-keygen -y -f FILE` tells whether it is right.',
    });
  }
  return new UserError('The SSH key cannot be read.', {
    hint: 'It must be a private key in OpenSSH, PEM or PuTTY form, with its BEGIN and END lines.',
    cause: error,
  });
}

const curves: Readonly<Record<string, string>> = { 'P-256': 'nistp256', 'P-384': 'nistp384', 'P-521': 'nistp521' };

function blobsOf(key: JsonWebKey): Pick<AgentKey, 'publicBlob' | 'privateBlob'> | undefined {
  const number = (value: string | undefined): Buffer => Buffer.from(value ?? '', 'base64url');
  const secret = number(key.d);
  const curve = curves[key.crv ?? ''];
  if (key.kty === 'RSA') {
    const [n, e, d, iqmp, p, q] = [key.n, key.e, key.d, key.qi, key.p, key.q].map((value) =>
      wireInteger(number(value)),
    );
    const type = wireString('ssh-rsa');
    return { publicBlob: join(type, e, n), privateBlob: join(type, n, e, d, iqmp, p, q) };
  }
  if (key.kty === 'EC' && curve !== undefined) {
    const point = wireString(join(Buffer.from([4]), number(key.x), number(key.y)));
    const publicBlob = join(wireString(`ecdsa-sha2-${curve}`), wireString(curve), point);
    return { publicBlob, privateBlob: join(publicBlob, wireInteger(secret)) };
  }
  if (key.kty === 'OKP' && key.crv === 'Ed25519') {
    const publicBlob = join(wireString('ssh-ed25519'), wireString(number(key.x)));
    return { publicBlob, privateBlob: join(publicBlob, wireString(join(secret, number(key.x)))) };
  }
  return undefined;
}

function join(...parts: (Buffer | undefined)[]): Buffer {
  return Buffer.concat(parts.filter((part) => part !== undefined));
}
