import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

/** How a command of the Docker CLI is run. */
export interface DockerOptions {
  /** Written to its stdin. @default nothing */
  input?: string;
  /** Added to the environment of the test, such as DOCKER_CONFIG. */
  env?: Record<string, string>;
}

/** Runs `docker` with `args` and resolves with its stdout, without the newline at the end. Rejects with its stderr when it fails. */
export async function docker(args: readonly string[], { input = '', env = {} }: DockerOptions = {}): Promise<string> {
  const child = spawn('docker', args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => undefined); // A command that reads nothing may have ended before.
  child.stdin.end(input);
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  if (code !== 0) throw new Error(`docker ${args.join(' ')} ended with ${code}: ${stderr.trim() || stdout.trim()}`);
  return stdout.trimEnd();
}
