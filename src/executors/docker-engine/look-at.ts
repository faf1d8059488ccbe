import { parseOwnJson } from '../../lib/index.ts';
import { callDocker, type DockerCommand } from './docker-cli.ts';
import { lastWords } from './failures.ts';
import { quickMs } from './time-outs.ts';

/** What the engine says of a container. */
export type ContainerLook =
  | { kind: 'running'; labels: Readonly<Record<string, string>> }
  /** Made, and not started. */
  | { kind: 'created' }
  | { kind: 'ended'; code: number; outOfMemory: boolean; error: string }
  | { kind: 'missing' }
  /** The engine does not answer. */
  | { kind: 'unknown'; reason: string };

interface Inspected {
  state: { Status: string; ExitCode: number; OOMKilled: boolean; Error: string };
  labels: Record<string, string> | null;
}

/** Asks for the state of a container. Never rejects. */
export async function lookAt(docker: DockerCommand, container: string): Promise<ContainerLook> {
  const format = '{"state":{{json .State}},"labels":{{json .Config.Labels}}}';
  const result = await callDocker(docker, ['container', 'inspect', '--format', format, container], {
    timeoutMs: quickMs,
  });
  if (result.kind !== 'ended') {
    const reason = result.kind === 'unstartable' ? result.message : 'the Docker engine does not answer';
    return { kind: 'unknown', reason };
  }
  if (result.code !== 0) {
    return /No such container/i.test(result.stderr)
      ? { kind: 'missing' }
      : { kind: 'unknown', reason: lastWords(result.stderr) };
  }
  const { labels, state } = parseOwnJson<Inspected>(result.stdout);
  switch (state.Status) {
    case 'running':
    case 'paused':
      return { kind: 'running', labels: labels ?? {} };
    case 'created':
      return { kind: 'created' };
    default:
      return { kind: 'ended', code: state.ExitCode, outOfMemory: state.OOMKilled, error: state.Error };
  }
}
