import { jwtVerify, SignJWT } from 'jose';

/** A token with which the log of one job can be written (spec CI 7.4), valid for `lifetimeMs`. */
export async function makeLogToken(
  secret: Uint8Array,
  { jobId, nowMs, lifetimeMs }: { jobId: string; nowMs: number; lifetimeMs: number },
): Promise<string> {
  const now = Math.floor(nowMs / 1000);
  return await new SignJWT({ action: 'PUSH' })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(jobId)
    .setIssuedAt(now)
    .setNotBefore(now)
    .setExpirationTime(now + Math.ceil(lifetimeMs / 1000))
    .sign(secret);
}

/** Whether the token is one for this job, and still valid. */
export async function isLogToken(
  secret: Uint8Array,
  { token, jobId, nowMs }: { token: string; jobId: string; nowMs: number },
): Promise<boolean> {
  try {
    const { payload } = await jwtVerify(token, secret, {
      algorithms: ['HS256'],
      subject: jobId,
      currentDate: new Date(nowMs),
    });
    return payload['action'] === 'PUSH';
  } catch {
    // Whatever is wrong with it: it is none.
    return false;
  }
}
