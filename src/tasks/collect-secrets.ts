import type { AccessKey, JobData } from '../protocol/ui/index.ts';
import type { SecretRegistry } from '../secrets/index.ts';

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
  for (const value of Object.values(surveySecrets(job.task.secret))) {
    if (typeof value === 'string' || typeof value === 'number') registry.add(String(value));
  }
  if (job.jwt !== undefined) registry.add(job.jwt);
  for (const repository of [job.repository, job.inventoryRepository]) {
    const password = passwordIn(repository?.gitUrl ?? '');
    if (password !== undefined) registry.add(password);
  }
}

function surveySecrets(text: string | undefined): object {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    // What it is instead is told when the variables are read.
    return {};
  }
}

function passwordIn(url: string): string | undefined {
  const userInfo = /:\/\/([^/]*)@/.exec(url)?.[1];
  if (userInfo === undefined) return undefined;
  const password = userInfo.includes(':') ? userInfo.slice(userInfo.indexOf(':') + 1) : userInfo;
  try {
    return decodeURIComponent(password);
  } catch {
    return password;
  }
}
