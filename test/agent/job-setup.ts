import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { createJob, type CreateJobOptions, type JobLog } from '../../src/agent/index.ts';
import { systemClock } from '../../src/lib/index.ts';
import { type JobResult, readJobRequest } from '../../src/protocol/ci/index.ts';
import type { LogFields, Logger } from '../../src/telemetry/index.ts';
import { tempDir } from '../support/temp-dir.ts';

export interface JobEvent {
  event: string;
  timestamp: number;
  directive?: string;
  output?: string;
  exit_code?: number;
  started_at?: number;
  finished_at?: number;
  result?: string;
}

export interface RanJob {
  result: JobResult;
  /** As written, but for the times: T. */
  lines: string[];
  events: JobEvent[];
  /** One word or more for each event: what a reader would see. */
  story: string[];
  /** Lines of the agent's own log, with their fields. */
  agentLog: string[];
  home: string;
}

export interface JobSetup extends Partial<Omit<CreateJobOptions, 'request' | 'log' | 'logger'>> {
  /** What JSON of a job request, or YAML with `spelling`, gives. */
  request: unknown;
  spelling?: 'json' | 'yaml';
  /** Looks at every line when it is written, for stopping the job then. */
  onLine?: (line: string, stop: () => void) => void;
  /** What the log does when it is closed. */
  onClose?: JobLog['close'];
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

export function variable(name: string, value: string): { name: string; value: string } {
  return { name, value: base64(value) };
}

export function directives(...texts: string[]): { directive: string }[] {
  return texts.map((directive) => ({ directive }));
}

/** A logger that keeps what it is told. */
export function keepingLogger(kept: string[]): Logger {
  const keep = (message: string, fields?: LogFields): void =>
    void kept.push(fields ? `${message} ${JSON.stringify(fields)}` : message);
  const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep, child: () => logger };
  return logger;
}

/** Runs a job in a real shell, with a home directory of its own. */
export async function runTestJob({
  request,
  spelling = 'json',
  onLine,
  onClose,
  ...options
}: JobSetup): Promise<RanJob> {
  const home = options.env?.['HOME'] ?? tempDir();
  const raw: string[] = [];
  const agentLog: string[] = [];
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  const job = createJob({
    mode: 'self-hosted',
    env: { PATH: process.env['PATH'] ?? '', HOME: home, LANG: 'C.UTF-8' },
    cwd: '/',
    clock: systemClock,
    jumpPoint: `${home}/jump-point`,
    ...options,
    request: readJobRequest(request, { spelling }),
    logger: keepingLogger(agentLog),
    log: {
      write: (line) => {
        raw.push(line);
        onLine?.(line, stop);
      },
      close: onClose ?? (() => Promise.resolve()),
    },
  });
  const result = await job(controller.signal);
  const events = raw.map((line) => JSON.parse(line) as JobEvent);
  const lines = raw.map((line) => line.replaceAll(/"(timestamp|started_at|finished_at)":\d+/g, '"$1":T'));
  return { result, lines, events, story: events.map(tell), agentLog, home };
}

function tell({ event, directive, output, exit_code, result }: JobEvent): string {
  if (event === 'cmd_started') return `$ ${directive}`;
  if (event === 'cmd_output') return output ?? '';
  if (event === 'cmd_finished') return `= ${exit_code}`;
  return result === undefined ? event : `${event} ${result}`;
}

/** What the user's commands printed, from the first command on. */
export function outputOf({ events }: RanJob): string {
  return events.map(({ output = '' }) => output).join('');
}

/** A process of the job that touches `path` all the time is no more. */
export async function expectNobody(path: string): Promise<void> {
  const { mtimeMs } = statSync(path);
  await delay(300);
  expect(statSync(path).mtimeMs).toBe(mtimeMs);
}

/** A command that goes on touching a file of the home directory, whatever it takes to get away. */
export function toucher(file: string, wrapper = ''): string {
  return `${wrapper} bash -c 'trap "" HUP; while :; do touch ~/${file}; sleep 0.02; done' >/dev/null 2>&1 &`;
}

/** A script for the job's shell; returns its path. */
export function hookThat(does: string, path = join(tempDir(), 'hook')): string {
  writeFileSync(path, `${does}\n`);
  return path;
}
