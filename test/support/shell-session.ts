import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { PtyProcess, type PtySpec } from '../../src/execution/index.ts';
import {
  lookerCommand,
  ShellLooker,
  ShellSession,
  type CommandResult,
  type OpenSessionProcess,
  type SessionSettings,
} from '../../src/executors/shell-session/index.ts';
import { tempDir } from './temp-dir.ts';

export interface TestSession {
  session: ShellSession;
  home: string;
  /** Messages of the agent's log. */
  messages: string[];
  /** Runs a command; `chunks` are the texts as they were given out. */
  run: (text: string) => Promise<CommandResult & { output: string; chunks: string[] }>;
}

type Setup = Partial<SessionSettings & PtySpec> & {
  /** Text of `~/.bash_profile`. */
  profile?: string;
  /**
   * How the session sees what its shell does: as one of this machine, through a second process as in a container, or not at all.
   * @default 'local'
   */
  eyes?: 'local' | 'looker' | 'none';
};

/** A session that is not started yet, with a home of its own; stopped when the test ends. */
export function newSession({ profile, env, eyes = 'local', ...more }: Setup = {}): TestSession {
  const home = join(tempDir(), 'home');
  mkdirSync(home);
  if (profile !== undefined) writeFileSync(join(home, '.bash_profile'), profile);
  const messages: string[] = [];
  const note = (message: string): void => void messages.push(message);
  const spec = {
    command: 'bash',
    args: ['--login'],
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '', HOME: home, LANG: 'C.UTF-8', ...env },
  };
  const settings = { log: { info: note, warn: note }, ...more };
  const session = new ShellSession(
    eyes === 'local' ? { ...spec, ...settings } : { open: elsewhere({ ...spec, ...more }, eyes), ...settings },
  );
  onTestFinished(() => session.stop());
  return {
    session,
    home,
    messages,
    run: async (text) => {
      const chunks: string[] = [];
      const result = await session.run(text, { onOutput: (chunk) => void chunks.push(chunk) });
      return { ...result, chunks, output: chunks.join('') };
    },
  };
}

/** The same, started. */
export async function startedSession(setup: Setup = {}): Promise<TestSession> {
  const test = newSession(setup);
  const result = await test.session.start();
  if (result.kind === 'failed') throw new Error(result.reason);
  return test;
}

/** A local shell that the session cannot look at by itself. */
function elsewhere(spec: PtySpec, eyes: 'looker' | 'none'): OpenSessionProcess {
  return (handlers) => {
    const shell = new PtyProcess(spec, handlers);
    const looker = new ShellLooker(({ onData, onEnd }) => {
      const [command = '', ...args] = lookerCommand;
      const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
      child.stdout.on('data', onData);
      child.stdin.on('error', () => undefined);
      child.once('exit', onEnd);
      return { write: (text) => void child.stdin.write(text), close: () => void child.stdin.end() };
    });
    return {
      get exit() {
        return shell.exit;
      },
      spareDescriptors: shell.spareDescriptors,
      write: (text) => shell.write(text),
      pause: () => shell.pause(),
      resume: () => shell.resume(),
      look: (pid) => (eyes === 'none' ? undefined : looker.look(pid)),
      leadsForeground: undefined,
      hangUp: (group) => looker.hangUp(group),
      drain: () => shell.drain(),
      stop: (graceMs) => {
        looker.close();
        return shell.stop(graceMs);
      },
    };
  };
}
