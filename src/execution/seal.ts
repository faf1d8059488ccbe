import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** Bytes of a key. */
const keyBytes = 32;

/**
 * Encryption of what a job directory keeps of a job (AES-256-GCM). Every job has a key of its own, which is kept sealed with
 * a key derived from the runner's token (HKDF-SHA256): a thief of the directory learns no more than a thief of the token,
 * and a new token costs one line for each job. Layout: 12 bytes nonce, 16 bytes tag, ciphertext.
 */
export class Seal {
  readonly #key: Buffer;

  private constructor(key: Buffer) {
    this.#key = key;
  }

  static fromToken(token: string): Seal {
    return new Seal(Buffer.from(hkdfSync('sha256', token, 'semaphore', 'job directory', keyBytes)));
  }

  static random(): Seal {
    return new Seal(randomBytes(keyBytes));
  }

  close(plain: string): Buffer {
    return this.#close(Buffer.from(plain, 'utf8'));
  }

  /** The sealed text; undefined when it was sealed with another key or changed since. */
  open(sealed: Buffer): string | undefined {
    return this.#open(sealed)?.toString('utf8');
  }

  /** `other`'s key, sealed with this one, as text. */
  closeKey(other: Seal): string {
    return this.#close(other.#key).toString('base64');
  }

  /** The seal whose key was closed with this one; undefined when it was closed with another. */
  openKey(sealed: string): Seal | undefined {
    const key = this.#open(Buffer.from(sealed, 'base64'));
    return key?.length === keyBytes ? new Seal(key) : undefined;
  }

  #close(plain: Buffer): Buffer {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    const body = Buffer.concat([cipher.update(plain), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), body]);
  }

  #open(sealed: Buffer): Buffer | undefined {
    if (sealed.length < 28) return undefined;
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, 12));
      decipher.setAuthTag(sealed.subarray(12, 28));
      return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]);
    } catch {
      return undefined;
    }
  }
}
