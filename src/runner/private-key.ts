import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { codeOf, messageOf, UserError } from '../lib/index.ts';

/**
 * The RSA key in `file`, for servers 2.12 to 2.18; it is made there (2048 bit, PKCS#1, mode 0600) when there is none (spec
 * 3.7). Throws UserError when the file holds something else or cannot be written.
 */
export async function ensurePrivateKey(file: string): Promise<KeyObject> {
  const pem = (await readIfThere(file)) ?? (await makeKey(file));
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType !== 'rsa') throw new Error(`it is a key of type ${key.asymmetricKeyType}`);
    return key;
  } catch (error: unknown) {
    throw new UserError(`${file} is not an RSA private key: ${messageOf(error)}`, {
      hint: 'Remove the file to have a new key made, or leave runner.private_key_file out: servers from 2.19 on do not use it.',
      cause: error,
    });
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new UserError(`cannot read the private key ${file}: ${messageOf(error)}`, { cause: error });
  }
}

async function makeKey(file: string): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(file, privateKey, { mode: 0o600, flag: 'wx' });
  } catch (error: unknown) {
    throw new UserError(`cannot write the private key ${file}: ${messageOf(error)}`, { cause: error });
  }
  return privateKey;
}
