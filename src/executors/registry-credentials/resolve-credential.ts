import type { EncodedVariable, JobFile } from '../../protocol/ci/index.ts';
import { decodeBase64 } from '../host-executor/base64.ts';

/** One of `compose.image_pull_credentials` of a job request (spec CI 4.5). */
export interface EncodedCredential {
  variables: readonly EncodedVariable[];
  files: readonly JobFile[];
}

interface Common {
  /** All variables of the credential, decoded, secret ones too: the environment of the tools that need them. */
  variables: Readonly<Record<string, string>>;
}

/** What images of a private registry are pulled with. */
export type RegistryCredential = Common &
  (
    | { type: 'DockerHub'; username: string; password: string }
    /** `url`: `DOCKER_URL` as given, a host name perhaps with scheme, port and path. */
    | { type: 'GenericDocker'; url: string; username: string; password: string }
    | { type: 'AWS_ECR'; region: string; accountId: string | undefined }
    /** `keyFile`: JSON of a service account. */
    | { type: 'GCR'; hostname: string; keyFile: string }
  );

export type ResolvedCredential =
  | { kind: 'resolved'; credential: RegistryCredential }
  /** `reason` names the variable or file, never a value. */
  | { kind: 'unresolved'; reason: string };

/** Where users put the key of a service account. It is a name, not a place: the content goes to the login from memory. */
const keyFilePath = '/tmp/gcr/keyfile.json';

/** Tells the type of a credential and finds what belongs to it; the texts of what is missing are those of spec CI 4.5. */
export function resolveCredential(encoded: EncodedCredential): ResolvedCredential {
  try {
    return { kind: 'resolved', credential: resolve(encoded) };
  } catch (error: unknown) {
    if (error instanceof Unresolved) return { kind: 'unresolved', reason: error.message };
    throw error;
  }
}

/** Carries a reason out of the look-ups; it never leaves this file. */
class Unresolved extends Error {}

function resolve({ variables: encoded, files }: EncodedCredential): RegistryCredential {
  const encodedType = encoded.find(({ name }) => name === 'DOCKER_CREDENTIAL_TYPE');
  if (!encodedType) throw new Unresolved('DOCKER_CREDENTIAL_TYPE not set');
  const type = decode(encodedType.value);
  const variables: Record<string, string> = {};
  // The first of a name counts.
  for (const { name, value } of encoded) variables[name] ??= decodeNamed(name, value);
  const find = (name: string): string => {
    const value = variables[name];
    if (value === undefined) throw new Unresolved(`no env var '${name}' found`);
    return value;
  };
  switch (type) {
    case 'DockerHub':
      return { type, variables, username: find('DOCKERHUB_USERNAME'), password: find('DOCKERHUB_PASSWORD') };
    case 'GenericDocker': {
      const url = find('DOCKER_URL');
      return { type, variables, url, username: find('DOCKER_USERNAME'), password: find('DOCKER_PASSWORD') };
    }
    case 'AWS_ECR':
      return { type, variables, region: find('AWS_REGION'), accountId: variables['AWS_ACCOUNT_ID'] };
    case 'GCR': {
      const file = files.find(({ path }) => path === keyFilePath);
      if (!file) throw new Unresolved(`no file '${keyFilePath}' found`);
      return { type, variables, hostname: find('GCR_HOSTNAME'), keyFile: decodeNamed(keyFilePath, file.content) };
    }
    default:
      throw new Unresolved(`unknown DOCKER_CREDENTIAL_TYPE: '${type}'`);
  }
}

function decodeNamed(name: string, encoded: string): string {
  try {
    const value = decode(encoded);
    // No program can be given such a variable.
    if (value.includes('\0')) throw new Unresolved('it has a zero byte');
    return value;
  } catch (error: unknown) {
    throw error instanceof Unresolved ? new Unresolved(`error decoding '${name}': ${error.message}`) : error;
  }
}

function decode(encoded: string): string {
  const bytes = decodeBase64(encoded);
  if (!bytes) throw new Unresolved(`illegal base64 data at input byte ${firstIllegal(encoded)}`);
  return bytes.toString('utf8');
}

/** The first character that cannot be there; when all can, the last group, which is not whole. */
function firstIllegal(encoded: string): number {
  const legal = /^(?:[A-Za-z0-9+/\r\n]*)={0,2}/.exec(encoded)?.[0].length ?? 0;
  return legal < encoded.length ? legal : encoded.length - (encoded.length % 4);
}
