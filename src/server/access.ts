import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bearerToken, type Guard, problem, type RequestContext } from '../http/index.ts';
import type { ServerConfig } from '../config/index.ts';
import { codeOf, UserError, writeFileAtomic } from '../lib/index.ts';
import { hashToken, newToken, sameHash } from './store/tokens.ts';

/** Who may use the API and who may register: what the server file says, else generated tokens in the data directory. */
export interface Access {
  /** The first token, for the starter of the server. */
  apiToken: string;
  /** File of the generated token; undefined when the server file has tokens of its own. */
  apiTokenFile: string | undefined;
  registrationToken: string;
  registrationTokenFile: string | undefined;
  users: readonly ApiUser[];
}

export interface ApiUser {
  name: string;
  tokenHash: string;
}

/** Name of whoever uses the generated token. */
const generatedUser = 'admin';

export async function loadAccess(config: ServerConfig, dataDir: string): Promise<Access> {
  const [first] = config.apiTokens;
  const generated = first ? undefined : await tokenFile(join(dataDir, 'api-token'));
  const registration =
    config.runners.registrationToken === undefined ? await tokenFile(join(dataDir, 'registration-token')) : undefined;
  const tokens = generated ? [{ name: generatedUser, token: generated.token }] : config.apiTokens;
  return {
    apiToken: tokens[0]?.token ?? '',
    apiTokenFile: generated?.path,
    registrationToken: config.runners.registrationToken ?? registration?.token ?? '',
    registrationTokenFile: registration?.path,
    users: tokens.map(({ name, token }) => ({ name, tokenHash: hashToken(token) })),
  };
}

/** The token in a private file; the file is made when it is not there. */
async function tokenFile(path: string): Promise<{ path: string; token: string }> {
  try {
    const token = (await readFile(path, 'utf8')).trim();
    if (token !== '') return { path, token };
  } catch (error: unknown) {
    if (codeOf(error) !== 'ENOENT')
      throw new UserError(`the token file ${path} cannot be read (${codeOf(error) ?? 'unknown'})`, { cause: error });
  }
  const token = newToken();
  await writeFileAtomic(path, `${token}\n`);
  return { path, token };
}

/** The user of a request's token. Compares with every token, whichever matches. */
export function userOf(access: Access, context: RequestContext): ApiUser | undefined {
  const token = bearerToken(context.headers);
  if (token === undefined) return undefined;
  const hash = hashToken(token);
  let found: ApiUser | undefined;
  for (const user of access.users) if (sameHash(user.tokenHash, hash)) found = user;
  return found;
}

/** Lets requests with a known token pass. */
export function apiGuard(access: () => Access): Guard {
  return (context) => {
    if (userOf(access(), context)) return undefined;
    const refusal = problem(401, 'Unauthorized: send the header "Authorization: Bearer <API token>"');
    return { ...refusal, headers: { ...refusal.headers, 'www-authenticate': 'Bearer' } };
  };
}
