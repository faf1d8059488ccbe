import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/**
 * What a job directory keeps of a job is sealed with a key derived from the runner's token (AES-256-GCM, HKDF-SHA256): a
 * thief of the directory learns no more than a thief of the token. Layout: 12 bytes nonce, 16 bytes tag, ciphertext.
 */
export class Seal {
  readonly #key: Buffer;

  constructor(token: string) {
    this.#key = Buffer.from(hkdfSync('sha256', token, 'semaphore', 'job directory', 32));
  }

  close(plain: string): Buffer {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), body]);
  }

  /** The sealed text; undefined when it was sealed with another token or changed since. */
  open(sealed: Buffer): string | undefined {
    if (sealed.length < 28) return undefined;
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, 12));
      decipher.setAuthTag(sealed.subarray(12, 28));
      return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]).toString('utf8');
    } catch {
      return undefined;
    }
  }
}
