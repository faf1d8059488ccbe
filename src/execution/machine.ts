import { readFileSync, readlinkSync } from 'node:fs';
import { processStartTime } from '../lib/index.ts';

/**
 * Names the life of this machine, or of this container: after a reboot, and in another container, no process of before can
 * still be there, whatever the pids say. The number of a container's process namespace is given to another one soon after, so
 * the start of its first process counts, too. "" where the system does not tell.
 */
export function machineLife(): string {
  // No process lives through the end of one.
  return (ownLife ??= [bootId(), processNamespace(), processStartTime(1)].filter(Boolean).join(' '));
}

let ownLife: string | undefined;

/** What has come to its end since this life was noted, and all its processes with it; undefined while it goes on. */
export function endedSince(life: string): 'machine' | 'container' | undefined {
  if (life === machineLife()) return undefined;
  const boot = bootId();
  return boot !== '' && life.startsWith(`${boot} `) ? 'container' : 'machine';
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}

function processNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}
