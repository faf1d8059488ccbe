import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** Prefix of registration tokens that work once (spec 3.4). */
export const oneTimePrefix = 'smrs_';

/** 32 random bytes in base64, the form of the original's tokens. */
export function newToken(): string {
  return randomBytes(32).toString('base64');
}

/** Shorter ones may not be random. */
const minAttemptKeyLength = 40;

/**
 * The token for a registration that may come twice because its answer was lost: the same for the same key, which only the
 * runner knows. A new one when there is no such key.
 */
export function tokenForAttempt(attemptKey: string | string[] | undefined, registrationToken: string): string {
  if (typeof attemptKey !== 'string' || attemptKey.length < minAttemptKeyLength) return newToken();
  return createHmac('sha256', attemptKey).update(`runner token for ${registrationToken}`).digest('base64');
}

/** What is stored of a token: enough to know it again, useless to a thief. Tokens are random, so no salt is needed. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Compares two hashes in a time that does not depend on where they differ. */
export function sameHash(a: string, b: string): boolean {
  const left = Buffer.from(a, 'hex');
  const right = Buffer.from(b, 'hex');
  return left.length === right.length && timingSafeEqual(left, right);
}
