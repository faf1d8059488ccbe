import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { onTestFinished } from 'vitest';
import {
  createDockerConfig,
  logIn,
  type EncodedCredential,
} from '../../../src/executors/registry-credentials/index.ts';
import { base64, keepingLogger, variable } from '../../agent/job-setup.ts';
import { tempDir } from '../../support/temp-dir.ts';

export function credential(variables: Record<string, string>, files: Record<string, string> = {}): EncodedCredential {
  return {
    variables: Object.entries(variables).map(([name, value]) => variable(name, value)),
    files: Object.entries(files).map(([path, content]) => ({ path, content: base64(content), mode: '0600' })),
  };
}

export function genericCredential(url: string, username: string, password: string): EncodedCredential {
  return credential({
    DOCKER_CREDENTIAL_TYPE: 'GenericDocker',
    DOCKER_URL: url,
    DOCKER_USERNAME: username,
    DOCKER_PASSWORD: password,
  });
}

export interface LoggedIn {
  exitCode: number;
  /** The texts of the events, one each. */
  events: string[];
  agentLog: string[];
  /** DOCKER_CONFIG of the job. */
  config: string;
}

export interface LogInSettings {
  /** Directory in front of PATH. */
  bin?: string;
  env?: Record<string, string>;
  signal?: AbortSignal;
}

/** Logs in with a configuration that is made for it and lasts until the test ends; the user has none. */
export async function logInto(
  credentials: readonly EncodedCredential[],
  { bin, env = {}, signal = new AbortController().signal }: LogInSettings = {},
): Promise<LoggedIn> {
  const path = [...(bin === undefined ? [] : [bin]), process.env['PATH'] ?? ''].join(delimiter);
  const whole = { PATH: path, HOME: tempDir(), ...env };
  const agentLog: string[] = [];
  const logger = keepingLogger(agentLog);
  const config = createDockerConfig(whole, logger);
  onTestFinished(() => config.remove());
  const events: string[] = [];
  const exitCode = await logIn(credentials, {
    events: { output: (text) => events.push(text) },
    logger,
    env: whole,
    dockerConfig: config.path,
    signal,
  });
  return { exitCode, events, agentLog, config: config.path };
}

/** A directory with programs that stand in for others. */
export function standIns(scripts: Record<string, string>): string {
  const bin = join(tempDir(), 'bin');
  mkdirSync(bin);
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(bin, name), script);
    chmodSync(join(bin, name), 0o755);
  }
  return bin;
}
