import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { processStartTime } from '../../lib/index.ts';

/**
 * The name of a job's project in docker compose. Compose puts it on every container, network and volume as a label, whatever its
 * version; so the name itself says which process they belong to:
 *
 *     semaphore-ci-<host>-<boot>-<pid namespace>-<pid>-<start time>-<random>
 */
const pattern = /^semaphore-ci-([0-9a-f]{6})-([0-9a-f]{6})-([0-9a-z]+)-(\d+)-(\d*)-[0-9a-f]{6}$/;

/** `foreign`: what it belongs to cannot be seen from here: another machine, or another container. */
export type OwnerState = 'lives' | 'dead' | 'foreign';

interface Place {
  host: string;
  boot: string;
  namespace: string;
}

export function makeProjectName(): string {
  const { host, boot, namespace } = ownPlace();
  const started = processStartTime(process.pid) ?? '';
  return `semaphore-ci-${host}-${boot}-${namespace}-${process.pid}-${started}-${randomBytes(3).toString('hex')}`;
}

/** Whether the agent that has made a project runs; undefined for names that no agent has made. */
export function ownerOf(project: string): OwnerState | undefined {
  const [, host, boot, namespace, pid, started] = pattern.exec(project) ?? [];
  if (pid === undefined) return undefined;
  const own = ownPlace();
  // Two machines never share the number of a start, containers of one machine do.
  if (boot !== own.boot) return host === own.host ? 'dead' : 'foreign';
  if (namespace !== own.namespace) return 'foreign';
  return processStartTime(Number(pid)) === (started === '' ? undefined : started) ? 'lives' : 'dead';
}

function ownPlace(): Place {
  return {
    host: shortHash(readText('/etc/machine-id') || hostname()),
    boot: shortHash(readText('/proc/sys/kernel/random/boot_id')),
    namespace: Number(/\d+/.exec(readLink('/proc/self/ns/pid'))?.[0] ?? 0).toString(36),
  };
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 6);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
