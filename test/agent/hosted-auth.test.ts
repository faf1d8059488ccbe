import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { createAuthentication } from '../../src/agent/hosted/authenticate.ts';
import type { RequestContext } from '../../src/http/index.ts';
import { ask, secret, startServing, token } from './hosted-client.ts';

/** Spec CI 3.2. */

const nowMs = Date.parse('2026-02-03T04:05:06Z');
const now = nowMs / 1000;

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** Made without the package that checks it. */
function signed(claims: unknown, { alg = 'HS256', key = secret }: { alg?: string; key?: string } = {}): string {
  const content = `${encoded({ alg, typ: 'JWT' })}.${encoded(claims)}`;
  const hash = alg.replace('HS', 'sha');
  return `${content}.${createHmac(hash, key).update(content).digest('base64url')}`;
}

async function refusalOf(authorization: string | undefined): Promise<string | undefined> {
  const guard = createAuthentication(secret, { now: () => nowMs });
  const context = { headers: authorization === undefined ? {} : { authorization } } as RequestContext;
  const reply = await guard(context);
  if (!reply) return undefined;
  expect(reply.status).toBe(401);
  const body = typeof reply.body === 'string' ? reply.body : '';
  expect(body.endsWith('"\n')).toBe(true);
  return String(JSON.parse(body));
}

it.each([['Bearer'], ['Token'], ['anything-at-all']])(
  'takes the token of the original tests after the word %s',
  async (word) => {
    expect(await refusalOf(`${word} ${token}`)).toBeUndefined();
  },
);

it.each([['HS256'], ['HS384'], ['HS512']])('takes %s with the raw bytes of the secret as key', async (alg) => {
  expect(await refusalOf(`Bearer ${signed({}, { alg })}`)).toBeUndefined();
  const decoded = Buffer.from(secret, 'base64').toString('latin1');
  expect(await refusalOf(`Bearer ${signed({}, { alg, key: decoded })}`)).toBe('signature is invalid');
});

it.each([
  [undefined, 'An authorization header is required'],
  ['', 'An authorization header is required'],
  [token, 'Invalid authorization token'],
  [`Bearer  ${token}`, 'Invalid authorization token'],
  [`Bearer ${token} more`, 'Invalid authorization token'],
  [`Bearer ${token.slice(0, -4)}AAAA`, 'signature is invalid'],
  [`Bearer ${signed({}, { key: 'another' })}`, 'signature is invalid'],
  ['Bearer nonsense', 'token is malformed'],
  [`Bearer ${encoded({ alg: 'none' })}.${encoded({})}.`, 'signing method is not HMAC'],
  [`Bearer ${encoded({ alg: 'RS256' })}.${encoded({})}.AAAA`, 'signing method is not HMAC'],
])('refuses %s', async (authorization, words) => {
  expect(await refusalOf(authorization)).toBe(words);
});

it.each([
  [{ exp: now + 1 }, undefined],
  [{ exp: now - 1 }, 'Token is expired'],
  [{ nbf: now }, undefined],
  [{ nbf: now + 60 }, 'Token is not valid yet'],
  [{ iat: now }, undefined],
  [{ iat: now + 60 }, 'Token used before issued'],
  [{ sub: 'anybody', aud: 'anything', iss: 'anywhere' }, undefined],
])('enforces the times of %o, and nothing else', async (claims, words) => {
  expect(await refusalOf(`Bearer ${signed(claims)}`)).toBe(words);
});

it('asks for a token at every endpoint but /is_alive', async () => {
  const { url } = await startServing();
  expect(await ask(url, '/is_alive', { authorization: null })).toMatchObject({ status: 200, body: 'yes' });
  const endpoints = [
    ['GET', '/status'],
    ['POST', '/jobs'],
    ['GET', '/jobs/x/log'],
    ['POST', '/stop'],
    ['POST', '/jobs/terminate'],
    ['GET', '/agent_logs'],
  ] as const;
  for (const [method, path] of endpoints) {
    const answer = await ask(url, path, { method, authorization: null });
    expect(answer).toMatchObject({ status: 401, body: '"An authorization header is required"\n' });
    const wrong = await ask(url, path, { method, authorization: `Bearer ${signed({}, { key: 'no' })}` });
    expect(wrong).toMatchObject({ status: 401, body: '"signature is invalid"\n' });
    expect(await ask(url, path, { method })).not.toMatchObject({ status: 401 });
  }
});
