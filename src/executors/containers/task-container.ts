/** Labels on everything that belongs to a task (spec 6.3). */
export const labels = {
  taskId: 'semaphoreui.com/task-id',
  runner: 'semaphoreui.com/runner',
  name: 'semaphoreui.com/pod-name',
} as const;

/**
 * What the first process of a container does: nothing, until it gets TERM; then everything else gets it, too, and the container ends when
 * nothing is left (or is killed by the engine after the grace). Where nothing is above it, a shell that waits buries what has lost its parent.
 */
export const idle =
  'trap \'trap "" TERM; kill -TERM -1 2>/dev/null; while kill -0 -1 2>/dev/null; do sleep 0.1 2>/dev/null || sleep 1; done; exit 0\' TERM; ' +
  'while :; do sleep 86400 & wait $!; done';

/** How often the kernel killed a process of the container for its memory, both versions of cgroups: a command that prints it. */
export const countKills = 'cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null; :';

/** The number in what `countKills` prints. */
export function killsIn(printed: string): number {
  return Number(/^oom_kill (\d+)$/m.exec(printed)?.[1] ?? 0);
}

/** One sentence for the log of the task. `limit`: how much, and where that was said. */
export function killsText(kills: number, limit: string): string {
  const killed = kills > 1 ? `${kills} processes` : 'a process';
  return `The task needed more memory than it may have (${limit}): the system killed ${killed} of it.`;
}
