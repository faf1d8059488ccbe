import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { PtySpec } from '../../src/execution/index.ts';
import { ShellSession, type CommandResult, type SessionSettings } from '../../src/executors/shell-session/index.ts';
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
};

/** A session that is not started yet, with a home of its own; stopped when the test ends. */
export function newSession({ profile, env, ...more }: Setup = {}): TestSession {
  const home = join(tempDir(), 'home');
  mkdirSync(home);
  if (profile !== undefined) writeFileSync(join(home, '.bash_profile'), profile);
  const messages: string[] = [];
  const note = (message: string): void => void messages.push(message);
  const session = new ShellSession({
    command: 'bash',
    args: ['--login'],
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '', HOME: home, LANG: 'C.UTF-8', ...env },
    log: { info: note, warn: note },
    ...more,
  });
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
