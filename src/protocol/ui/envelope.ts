import { constants, createPublicKey, type KeyObject, privateDecrypt } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { UserError } from '../../lib/index.ts';

/**
 * The encryption that servers 2.12 to 2.18 put around their answers to GET when the runner registered an RSA key (spec 3.7): the JSON in
 * pieces, each encrypted with RSAES-PKCS1-v1_5, one after the other without framing.
 */

/** Blocks decrypted in one go, 0.7 ms each, before other work gets its turn. */
const BLOCKS_PER_TURN = 16;

/** Decrypts an envelope. Throws UserError when it is none, or was made for another key. */
export async function openEnvelope(body: Buffer, privateKey: KeyObject, signal?: AbortSignal): Promise<Buffer> {
  const size = (privateKey.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
  if (body.length === 0 || body.length % size !== 0) {
    throw new UserError(`its length (${body.length} bytes) is not a multiple of the key's (${size} bytes)`);
  }
  const pieces: Buffer[] = [];
  for (let start = 0; start < body.length; start += size) {
    if (pieces.length % BLOCKS_PER_TURN === BLOCKS_PER_TURN - 1) await turn(undefined, signal ? { signal } : {});
    pieces.push(decryptBlock(body.subarray(start, start + size), privateKey));
  }
  return Buffer.concat(pieces);
}

/**
 * Node refuses PKCS#1 v1.5 decryption where its OpenSSL lacks implicit rejection (CVE-2023-46809), and where it does not, a wrong key
 * gives random bytes instead of an error. So the raw RSA operation is asked for, and the padding `00 02 (8 or more non-zero) 00` is
 * taken off here. The attack that this was about needs somebody who can make us decrypt chosen texts and watch the outcome; only
 * the server, which knows the plain text, can.
 */
function decryptBlock(block: Buffer, key: KeyObject): Buffer {
  let padded: Buffer;
  try {
    padded = privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, block);
  } catch {
    throw new UserError('it was not made for this private key');
  }
  const end = padded.indexOf(0, 2);
  if (padded[0] !== 0 || padded[1] !== 2 || end < 10) throw new UserError('it was not made for this private key');
  return padded.subarray(end + 1);
}

/** The public half as those servers want it: the bytes are PKCS#1, though the PEM says `PUBLIC KEY`. */
export function publicKeyForServer(privateKey: KeyObject): string {
  const pem = createPublicKey(privateKey).export({ type: 'pkcs1', format: 'pem' }).toString();
  return pem.replaceAll('RSA PUBLIC KEY', 'PUBLIC KEY');
}
