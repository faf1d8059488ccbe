import { codeOf } from '../lib/index.ts';
import { listProcesses, readEnvironment } from './proc.ts';

/** Name of the environment variable that tags every process of a task. */
export const taskTagVariable = 'SEMAPHORE_TASK_TAG';

/** The same for processes that live only as long as the runner that started them, because it reads what they print. */
export const captureTagVariable = 'SEMAPHORE_TASK_CAPTURE';

/** Set for processes of ours that serve the steps of a task, as an ssh-agent does: they get no signal but the last one. */
export const companionVariable = 'SEMAPHORE_AGENT_KEEPER';

/** Sends `signal` to the process group `pgid`; false when no process of it is left. */
export function signalGroup(pgid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pgid, signal);
    return true;
  } catch (error: unknown) {
    if (codeOf(error) === 'ESRCH') return false;
    if (codeOf(error) === 'EPERM') return true;
    throw error;
  }
}

/** Kills what an earlier runner started to read from, of the task with `tag`. */
export function killCaptures(tag: string): void {
  for (const { group, pid } of listProcesses()) {
    if (pid !== process.pid && environmentHas(pid, captureTagVariable, tag)) signalGroup(group, 'SIGKILL');
  }
}

/** True when process `pid` was started with the variable set, to `value` if that is given. */
export function environmentHas(pid: number, variable: string, value?: string): boolean {
  const environment = readEnvironment(pid);
  if (!environment) return false;
  const entry = value === undefined ? `${variable}=` : `${variable}=${value}\0`;
  return environment.indexOf(`\0${entry}`) !== -1 || environment.subarray(0, entry.length).equals(Buffer.from(entry));
}
