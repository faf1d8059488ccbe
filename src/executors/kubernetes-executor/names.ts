import { createHash, randomBytes } from 'node:crypto';

/** Names of what a job has on the cluster (spec CI 6.3). */
export interface JobNames {
  pod: string;
  pullSecret: string;
  /** The first has the variables; further ones hold files for which it has no room. */
  environmentSecret: (index: number) => string;
}

/** A pod's name is its host name, too. */
const maxPodName = 63;
const label = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;

/**
 * `semaphore-job-<job id>`; a job id that is no valid part of a name, or too long, is made one, with a hash that keeps it unlike others.
 * `again`: the name is taken (by what another agent has left), so a random ending makes it a new one.
 */
export function jobNames(jobId: string, again = false): JobNames {
  const plain = `semaphore-job-${jobId}`;
  const isUsable = label.test(jobId) && plain.length <= maxPodName - (again ? 7 : 0);
  const base = isUsable ? plain : `semaphore-job-${readable(jobId)}${hashOf(jobId)}`;
  const pod = again ? `${base}-${randomBytes(3).toString('hex')}` : base;
  return {
    pod,
    pullSecret: `${pod}-image-pull-secret`,
    environmentSecret: (index) => `${pod}-secret${index === 0 ? '' : `-${index + 1}`}`,
  };
}

/** A name of a container of a job as Kubernetes takes it: `my_db` becomes `my-db`. `taken`: those there are already. */
export function containerName(name: string, taken: ReadonlySet<string>): string {
  const base =
    label.test(name) && name.length <= 63 ? name : `${readable(name)}${name === '' ? 'container' : ''}` || 'x';
  const short = base.replace(/^-+|-+$/g, '').slice(0, 58) || 'container';
  const whole = base === name ? name : short;
  for (let count = 1; ; count += 1) {
    const candidate = count === 1 ? whole : `${short}-${count}`;
    if (!taken.has(candidate)) return candidate;
  }
}

/** Whether other containers can be told this name by `hostAliases`. */
export function isHostName(name: string): boolean {
  return name.length <= 253 && name.split('.').every((part) => part.length <= 63 && label.test(part));
}

function readable(text: string): string {
  const kept = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^-/, '')
    .slice(0, 30);
  return kept === '' || kept.endsWith('-') ? kept : `${kept}-`;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 10);
}
