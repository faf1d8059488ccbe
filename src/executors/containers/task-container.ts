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
