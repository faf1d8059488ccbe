import { join } from 'node:path';
import { Readable } from 'node:stream';
import { onTestFinished } from 'vitest';
import { publishCommands, runCli } from '../../src/cli/index.ts';
import { commands } from '../../src/commands/index.ts';
import { tempDir } from './temp-dir.ts';

export interface CliResult {
  code: number;
  /** Standard output, with `<dir>` for the working directory and `<port>` for ports of 127.0.0.1. */
  out: string;
  /** Standard error, the same way. */
  err: string;
}

export interface CliOptions {
  /** @default a new directory */
  cwd?: string;
  /** Added to an environment without any variable of ours. */
  env?: Readonly<Record<string, string>>;
  /** Standard input; not a terminal. */
  input?: string;
}

/** Runs a command line in this process, as `bin/semaphore` would, and gives what the user sees. */
export async function runInProcess(argv: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const cwd = options.cwd ?? tempDir();
  const restore = enter(cwd, { XDG_CONFIG_HOME: join(cwd, '.state'), ...options.env }, options.input ?? '');
  onTestFinished(restore.everything);
  const out = capture(process.stdout);
  const err = capture(process.stderr);
  try {
    publishCommands(commands);
    const code = await runCli(argv, { root: join(import.meta.dirname, '../..'), version: '0.0.0', commands });
    return { code, out: tidy(out.text(), cwd), err: tidy(err.text(), cwd) };
  } finally {
    out.stop();
    err.stop();
    restore.everything();
  }
}

function enter(cwd: string, env: Readonly<Record<string, string>>, input: string): { everything: () => void } {
  const before = {
    cwd: process.cwd(),
    env: { ...process.env },
    stdin: Object.getOwnPropertyDescriptor(process, 'stdin'),
    umask: process.umask(),
  };
  process.chdir(cwd);
  for (const name of Object.keys(process.env)) if (/^(SEMAPHORE_|NODE_EXTRA)/.test(name)) delete process.env[name];
  Object.assign(process.env, env);
  Object.defineProperty(process, 'stdin', {
    value: Readable.from(input === '' ? [] : [Buffer.from(input)]),
    configurable: true,
  });
  return {
    everything: () => {
      process.chdir(before.cwd);
      for (const name of Object.keys(process.env)) if (!(name in before.env)) delete process.env[name];
      Object.assign(process.env, before.env);
      if (before.stdin) Object.defineProperty(process, 'stdin', before.stdin);
      process.umask(before.umask);
      process.exitCode = undefined;
    },
  };
}

function capture(stream: NodeJS.WriteStream): { text: () => string; stop: () => void } {
  const write = stream.write.bind(stream);
  let text = '';
  stream.write = (chunk: string | Uint8Array) => {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8');
    return true;
  };
  return { text: () => text, stop: () => void (stream.write = write) };
}

function tidy(text: string, cwd: string): string {
  return text.replaceAll(cwd, '<dir>').replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:<port>');
}
