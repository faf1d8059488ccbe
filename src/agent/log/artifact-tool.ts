import { type ChildProcess, spawn } from 'node:child_process';
import { codeOf, messageOf } from '../../lib/index.ts';

export interface ToolRun {
  path: string;
  args: readonly string[];
  /** Complete. */
  env: Readonly<Record<string, string | undefined>>;
  timeoutMs: number;
  /** Ends it. */
  signal: AbortSignal;
}

/** How it ended, and the end of what it said. */
export interface ToolEnd {
  outcome: 'success' | 'failure' | 'timeout' | 'aborted';
  /** In words, for a log. */
  text: string;
}

const saidCharacters = 2000;
/** Between TERM and KILL. */
const graceMs = 5000;
/** What it leaves running may hold its output open. */
const drainMs = 500;

/** Runs a tool to its end, in a process group of its own that is gone afterwards. Never rejects. */
export async function runTool(run: ToolRun): Promise<ToolEnd> {
  const limit = AbortSignal.timeout(run.timeoutMs);
  const ended = AbortSignal.any([limit, run.signal]);
  if (ended.aborted) return { outcome: 'aborted', text: 'not started' };
  let said = '';
  try {
    const child = spawn(run.path, run.args, { env: run.env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        said = (said + chunk.toString('utf8')).slice(-saidCharacters);
      });
    }
    const outcome = await outcomeOf(child, ended);
    const text = `${outcome}${said.trim() === '' ? '' : `: ${said.trim()}`}`;
    if (ended.aborted) return { outcome: limit.aborted ? 'timeout' : 'aborted', text };
    return { outcome: outcome === 'exit code 0' ? 'success' : 'failure', text };
  } catch (error: unknown) {
    return { outcome: 'failure', text: messageOf(error) };
  }
}

/** Rejects when it cannot be started. */
async function outcomeOf(child: ChildProcess, ended: AbortSignal): Promise<string> {
  let killed: NodeJS.Timeout | undefined;
  const stop = (): void => {
    signalGroup(child, 'SIGTERM');
    killed = setTimeout(() => signalGroup(child, 'SIGKILL'), graceMs);
  };
  ended.addEventListener('abort', stop, { once: true });
  try {
    return await new Promise<string>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve(endOf(code, signal)));
      child.once('exit', (code, signal) => {
        signalGroup(child, 'SIGKILL');
        setTimeout(() => resolve(endOf(code, signal)), drainMs);
      });
    });
  } finally {
    clearTimeout(killed);
    ended.removeEventListener('abort', stop);
    child.stdout?.destroy();
    child.stderr?.destroy();
  }
}

function endOf(code: number | null, signal: string | null): string {
  return code === null ? `killed by ${signal ?? 'a signal'}` : `exit code ${code}`;
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error: unknown) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}
