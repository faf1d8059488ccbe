import { urlCredentials } from '../lib/index.ts';
import { parseRemote } from '../git/index.ts';
import type { AccessKey, JobData } from '../protocol/ui/index.ts';
import type { SecretRegistry } from '../secrets/index.ts';
import { isObject, JsonNumber, parseJson } from './json.ts';

/** Registers everything secret that a job and its keys bring (spec 4.9), before anything of it can be printed. */
export function collectSecrets(
  job: JobData,
  keys: ReadonlyMap<number, AccessKey>,
  registry: Pick<SecretRegistry, 'add'>,
): void {
  for (const key of keys.values()) {
    registry.add(key.string);
    registry.add(key.loginPassword.password);
    registry.add(key.ssh.passphrase);
    registry.add(key.ssh.privateKey);
  }
  for (const { secret } of job.environment.secrets ?? []) registry.add(secret);
  for (const text of leaves(surveySecrets(job.task.secret))) registry.add(text);
  if (job.jwt !== undefined) registry.add(job.jwt);
  // Wherever a URL with a password stands: in a variable, an inventory, an argument, within another secret.
  for (const text of texts([job, ...keys.values()])) for (const secret of urlCredentials(text)) registry.add(secret);
  for (const repository of [job.repository, job.inventoryRepository]) {
    const { login, password } = parseRemote(repository?.gitUrl ?? '');
    // A lone user name in a URL is how tokens are written there.
    const secret = password ?? login;
    if (secret !== undefined) registry.add(secret);
  }
}

function surveySecrets(text: string | undefined): unknown {
  try {
    return parseJson(text ?? '{}');
  } catch {
    // What it is instead is told when the variables are read.
    return {};
  }
}

/** Every text and number in a document; names and the words of JSON are no secrets. */
function leaves(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (value instanceof JsonNumber) return [value.toString()];
  if (Array.isArray(value)) return value.flatMap(leaves);
  return isObject(value) ? Object.values(value).flatMap(leaves) : [];
}

/** Every text in a value of plain objects and lists that may have credentials in a URL. */
function texts(value: unknown): string[] {
  if (typeof value === 'string') return value.includes('://') && value.includes('@') ? [value] : [];
  if (Array.isArray(value)) return value.flatMap(texts);
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(texts) : [];
}
