import type { ExecutorFile } from './executor-schema.ts';
import { locatedError, locationText } from './located-error.ts';
import type { PlaceOf } from './relations.ts';
import { pullPolicyOf } from './resolve-executor.ts';
import type { RunnerFile } from './runner-schema.ts';
import { dockerBytesOf } from './size.ts';

/** Docker's own lower bound. */
const leastMemory = 6 * 1024 ** 2;
const schemes: readonly string[] = ['unix:', 'tcp:', 'npipe:', 'ssh:'];

/** Throws ConfigError for what the chosen executor cannot use. What another one would use is not looked at. */
export function checkExecutor({ type, docker }: ExecutorFile, placeOf: PlaceOf): void {
  if (type !== 'docker') return;
  const refuse = (key: string, problem: string, hint: string): never => {
    const dotted = `runner.executor.docker.${key}`;
    throw locatedError(`${dotted} is ${problem}`, { key: dotted, ...placeOf(dotted), hint });
  };
  const problem = hostProblem(docker.host ?? '');
  if (problem !== undefined) {
    refuse(
      'host',
      `${JSON.stringify(docker.host)}; ${problem}`,
      'For example unix:///var/run/docker.sock, tcp://docker.example.com:2376; leave it out for the local engine.',
    );
  }
  const memory = dockerBytesOf(docker.memory_limit);
  if (memory !== undefined && memory < leastMemory) {
    refuse('memory_limit', `${JSON.stringify(docker.memory_limit)}; expected at least 6m`, 'For example 2g or 512m.');
  }
}

function hostProblem(host: string): string | undefined {
  if (host === '') return undefined;
  const expected = `expected a URL that begins with ${schemes.map((each) => `${each}//`).join(', ')}`;
  if (!/^[a-z]+:\/\//i.test(host) || !URL.canParse(host)) return expected;
  const { protocol, hostname, pathname } = new URL(host);
  if (!schemes.includes(protocol)) return expected;
  if ((protocol === 'tcp:' || protocol === 'ssh:') && hostname === '') return `expected a host after ${protocol}//`;
  if (protocol === 'unix:' && (hostname !== '' || pathname.length < 2)) return 'expected an absolute path, unix:///…';
  return undefined;
}

/** Values that are allowed but will surprise, with the chosen executor. */
export function doubtfulExecutor({ process, runner }: RunnerFile, placeOf: PlaceOf): string[] {
  const { type } = runner.executor;
  if (type === 'local') return [];
  const forThisMachine = [
    ...Object.entries(runner.limits).map(([name, value]) => [`runner.limits.${name}`, value] as const),
    ...(['user', 'uid', 'chroot', 'no_new_privs'] as const).map((name) => [`process.${name}`, process[name]] as const),
  ];
  return [
    ...forThisMachine
      .filter(([, value]) => value !== undefined && value !== false && value !== '')
      .map(([key]) => `${locationText(placeOf(key))}: ${key} has no effect on tasks in containers`),
    ...(type === 'docker' ? doubtfulDocker(runner.executor, placeOf) : []),
  ];
}

function doubtfulDocker({ docker }: ExecutorFile, placeOf: PlaceOf): string[] {
  const at = (key: string, text: string) => `${locationText(placeOf(`runner.executor.docker.${key}`))}: ${text}`;
  const warnings: string[] = [];
  const { host = '', pull_policy: policy } = docker;
  if (policy !== '' && pullPolicyOf(policy) === undefined) {
    warnings.push(
      at(
        'pull_policy',
        `runner.executor.docker.pull_policy is ${JSON.stringify(policy)}, which counts as if-not-present; write always, if-not-present or never`,
      ),
    );
  }
  if (host.startsWith('tcp:') && !docker.tls_verify && !isLoopback(host)) {
    const without = docker.cert_path ? 'without a check of its certificate' : 'without TLS';
    warnings.push(
      at('host', `the engine at ${host} is used ${without}: whoever is on the way can read every secret of the tasks`),
    );
  }
  if (docker.privileged) {
    warnings.push(
      at('privileged', 'the containers of tasks are privileged: a task can do anything on the engine’s machine'),
    );
  }
  return warnings;
}

function isLoopback(host: string): boolean {
  return ['localhost', '127.0.0.1', '[::1]'].includes(new URL(host).hostname);
}
