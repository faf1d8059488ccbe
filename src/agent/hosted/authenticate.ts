import { errors, jwtVerify, type JWTPayload } from 'jose';
import type { Guard, Reply } from '../../http/index.ts';
import type { Clock } from '../../lib/index.ts';

const algorithms = ['HS256', 'HS384', 'HS512'];

/**
 * Lets requests pass that carry a JSON Web Token signed with the secret (spec CI 3.2): any HMAC algorithm, the raw bytes of the
 * secret as key, `exp`, `nbf` and `iat` enforced where they are there, nothing else required. The word before the token is not looked at.
 */
export function createAuthentication(secret: string, clock: Pick<Clock, 'now'>): Guard {
  const key = Buffer.from(secret, 'utf8');
  return async ({ headers }) => {
    const { authorization = '' } = headers;
    if (authorization === '') return refusal('An authorization header is required');
    const [, token, ...more] = authorization.split(' ');
    if (token === undefined || more.length > 0) return refusal('Invalid authorization token');
    const why = await flawOf(token, key, clock.now());
    return why === undefined ? undefined : refusal(why);
  };
}

/** Why a token is not accepted; undefined when it is. */
async function flawOf(token: string, key: Buffer, nowMs: number): Promise<string | undefined> {
  try {
    const { payload } = await jwtVerify(token, key, { algorithms, currentDate: new Date(nowMs) });
    return isFromFuture(payload, nowMs) ? 'Token used before issued' : undefined;
  } catch (error: unknown) {
    return describe(error);
  }
}

/** `jose` looks at `iat` only together with a maximum age. */
function isFromFuture({ iat }: JWTPayload, nowMs: number): boolean {
  return iat !== undefined && iat > Math.floor(nowMs / 1000);
}

/** In the words of the original's parser where controllers look for them. Nothing of the token is quoted. */
function describe(error: unknown): string {
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature is invalid';
  if (error instanceof errors.JWTExpired) return 'Token is expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    return error.claim === 'nbf' && error.reason === 'check_failed' ? 'Token is not valid yet' : error.message;
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return 'signing method is not HMAC';
  if (error instanceof errors.JOSEError) return 'token is malformed';
  throw error;
}

function refusal(message: string): Reply {
  return {
    status: 401,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    body: `${JSON.stringify(message)}\n`,
  };
}
