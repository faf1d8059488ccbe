import { createPrivateKey, type KeyObject } from 'node:crypto';
import { messageOf, UserError } from '../lib/index.ts';

/** A private key that can answer an ssh client's requests. */
export interface AgentKey {
  /** Public key in wire form (RFC 4253, section 6.6). */
  publicBlob: Buffer;
  comment: string;
  /** Signature in wire form: algorithm and signature, each a length-prefixed string. */
  sign(data: Buffer, flags: number): Buffer;
}

/** Flags of a sign request (draft-ietf-sshm-ssh-agent, section 3.6.1). */
const rsaSha256 = 2;
const rsaSha512 = 4;

/**
 * Reads a private key: OpenSSH, PEM (PKCS#1, SEC1, PKCS#8) or PuTTY form; line ends and a missing last one do not matter.
 * Throws UserError when it is not a key, is encrypted and `passphrase` is empty or wrong, or is a public key.
 */
export async function readKey(text: string, passphrase: string, comment: string): Promise<AgentKey> {
  const { default: ssh2 } = await import('ssh2');
  const normalised = `${text.replaceAll('\r\n', '\n').trim()}\n`;
  const parsed = ssh2.utils.parseKey(forParser(normalised, passphrase), passphrase === '' ? undefined : passphrase);
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  if (!key || key instanceof Error) throw unusable(key, normalised, passphrase);
  if (!key.isPrivateKey()) {
    throw new UserError('The SSH key is a public key; a private key is needed.', {
      hint: 'Paste the file without the ending .pub into the key store.',
    });
  }
  const { type } = key;
  return {
    publicBlob: key.getPublicSSH(),
    comment,
    sign: (data, flags) => {
      const { algorithm, hash } = signatureKind(type, flags);
      // Without a hash of its own (Ed25519) the parameter must be left out.
      const raw: Buffer | Error = hash === undefined ? key.sign(data) : key.sign(data, hash);
      if (raw instanceof Error) throw raw;
      const signature = type.startsWith('ecdsa-') ? mpintPair(raw) : raw;
      return Buffer.concat([wireString(Buffer.from(algorithm)), wireString(signature)]);
    },
  };
}

/** PKCS#8 is what the parser does not know; Node turns it into a form that it does. */
function forParser(text: string, passphrase: string): string {
  if (!/^-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/.test(text)) return text;
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: text, ...(passphrase === '' ? {} : { passphrase }) });
  } catch {
    return text;
  }
  if (key.asymmetricKeyType === 'rsa') return key.export({ type: 'pkcs1', format: 'pem' }).toString();
  if (key.asymmetricKeyType === 'ec') return key.export({ type: 'sec1', format: 'pem' }).toString();
  return text;
}

function unusable(error: Error | undefined, text: string, passphrase: string): UserError {
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

function signatureKind(type: string, flags: number): { algorithm: string; hash: string | undefined } {
  switch (type) {
    case 'ssh-rsa':
      if ((flags & rsaSha512) !== 0) return { algorithm: 'rsa-sha2-512', hash: 'sha512' };
      if ((flags & rsaSha256) !== 0) return { algorithm: 'rsa-sha2-256', hash: 'sha256' };
      return { algorithm: 'ssh-rsa', hash: 'sha1' };
    case 'ecdsa-sha2-nistp256':
      return { algorithm: type, hash: 'sha256' };
    case 'ecdsa-sha2-nistp384':
      return { algorithm: type, hash: 'sha384' };
    case 'ecdsa-sha2-nistp521':
      return { algorithm: type, hash: 'sha512' };
    default:
      return { algorithm: type, hash: undefined };
  }
}

export function wireString(value: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(value.length);
  return Buffer.concat([length, value]);
}

/** ECDSA signatures come as DER (SEQUENCE of two INTEGERs) and travel as two mpints (RFC 5656, section 3.1.2). */
function mpintPair(der: Buffer): Buffer {
  // A sequence of 128 bytes or more (nistp521) has one more byte of length.
  let position = (der[1] ?? 0) > 0x80 ? 3 : 2;
  const parts: Buffer[] = [];
  for (let part = 0; part < 2; part += 1) {
    const length = der[position + 1] ?? 0;
    // DER integers and mpints are both big-endian two's complement: the bytes stay as they are.
    parts.push(wireString(der.subarray(position + 2, position + 2 + length)));
    position += 2 + length;
  }
  return Buffer.concat(parts);
}
