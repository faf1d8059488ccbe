import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { ComposeExecutor, type ComposeExecutorOptions } from '../../src/executors/index.ts';
import { systemClock } from '../../src/lib/index.ts';
import { readJobRequest } from '../../src/protocol/ci/index.ts';
import { keepingLogger } from '../agent/job-setup.ts';
import { docker } from '../support/docker/index.ts';
import { tempDir } from '../support/temp-dir.ts';

export interface ComposeTest {
  executor: ComposeExecutor;
  /** What the job's log would show. */
  story: string[];
  agentLog: string[];
  home: string;
}

interface ComposeSetup extends Partial<Omit<ComposeExecutorOptions, 'compose'>> {
  /** As a job request has it. */
  compose: Record<string, unknown>;
  /** What happens at every event. */
  onEvent?: (text: string) => void;
}

/** An executor with its own home and temporary directory, that is stopped when the test (or the file, with `finish`) ends. */
export function composeExecutor(
  { compose, env, onEvent, ...options }: ComposeSetup,
  finish: (clean: () => Promise<void>) => void = onTestFinished,
  home: string = tempDir(),
): ComposeTest {
  mkdirSync(home, { recursive: true });
  const story: string[] = [];
  const agentLog: string[] = [];
  const tell = (text: string): void => {
    story.push(text);
    onEvent?.(text);
  };
  const executor = new ComposeExecutor({
    jobId: 'test-job',
    compose: readJobRequest({ executor: 'dockercompose', compose }).compose,
    events: {
      commandStarted: (directive) => tell(`$ ${directive}`),
      output: tell,
      commandFinished: ({ exitCode }) => tell(`= ${exitCode}`),
    },
    logger: keepingLogger(agentLog),
    clock: systemClock,
    env: { PATH: process.env['PATH'] ?? '', HOME: home, ...env },
    cwd: '/',
    sshPublicKeys: [],
    jumpPoint: join(home, 'jump-point'),
    stopGraceMs: 1000,
    ...options,
  });
  finish(() => executor.stop());
  return { executor, story, agentLog, home };
}

/** Sets the directory for temporary files of this process until `finish`. */
export function useTemporary(directory: string, finish: (clean: () => void) => void): void {
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = directory;
  finish(() => {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  });
}

/** Names of containers, networks and volumes of a compose project. */
export async function thingsOf(project: string): Promise<string[]> {
  const filter = ['--filter', `label=com.docker.compose.project=${project}`, '--format'];
  const lists = await Promise.all([
    docker(['ps', '--all', ...filter, '{{.Names}}']),
    docker(['network', 'ls', ...filter, '{{.Name}}']),
    docker(['volume', 'ls', ...filter, '{{.Name}}']),
  ]);
  return lists.flatMap((text) => text.split('\n')).filter((name) => name !== '');
}

/** A directory with commands of our own, to be put before PATH. */
export function commands(scripts: Readonly<Record<string, string>>): string {
  const directory = join(tempDir(), 'bin');
  mkdirSync(directory);
  for (const [name, text] of Object.entries(scripts)) writeFileSync(join(directory, name), text, { mode: 0o755 });
  return directory;
}
