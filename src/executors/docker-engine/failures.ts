import { shortageHint, UserError } from '../../lib/index.ts';
import type { CallResult } from './docker-cli.ts';

/** What was tried, for the message of a failure. */
export interface Attempt {
  /** Completes "Cannot …". */
  what: string;
  /** `the local Docker engine`, `the Docker engine at tcp://…`. */
  engine: string;
  image?: string | undefined;
}

interface Cause {
  pattern: RegExp;
  /** One sentence without a full stop; undefined: what the command said. */
  cause?: (attempt: Attempt) => string;
  hint: string;
}

const keys = 'runner.executor.docker';

/** The first that fits counts. Words of the CLI and the engine, 20.10 to 28. */
const connectionCauses: readonly Cause[] = [
  {
    pattern: /permission denied while trying to connect|connect: permission denied|Got permission denied/i,
    cause: ({ engine }) => `the user of the runner may not use ${engine}`,
    hint: `Add the user to the group "docker" and start the runner again, or name another engine with ${keys}.host. Whoever may use an engine is root on its machine.`,
  },
  {
    pattern: /x509:|tls: |certificate|HTTP request to an HTTPS server|HTTP response to HTTPS client|--tls/i,
    cause: ({ engine }) => `${engine} and the runner do not agree on TLS`,
    hint: `Check ${keys}.host, tls_verify and cert_path: the engine's certificate must be for that name and signed by ca.pem, ours by what the engine was given with --tlscacert.`,
  },
  {
    pattern:
      /cannot connect to the docker daemon|failed to connect to the docker API|error during connect|is the docker daemon running|connection refused|i\/o timeout|no such host|connection reset|unexpected EOF|client version .* is too/i,
    cause: ({ engine }) => `${engine} does not answer`,
    hint: `Is it running (systemctl status docker)? Is ${keys}.host right, and DOCKER_HOST of the runner's environment?`,
  },
];

const causes: readonly Cause[] = [
  {
    pattern: /no space left on device|disk quota exceeded/i,
    cause: ({ engine }) => `${engine} has no room left on its disk`,
    hint: 'Make room there; docker system df tells what takes it.',
  },
  {
    pattern: /toomanyrequests|rate limit/i,
    cause: ({ image }) => `the registry gives ${image ?? 'the image'} to nobody who asks that often`,
    hint: 'Log in as the user of the runner (docker login), use a mirror, or set pull_policy to if-not-present.',
  },
  {
    pattern: /invalid reference format/i,
    cause: ({ image }) => `${JSON.stringify(image)} is not the name of an image`,
    hint: `A name is [registry/]name[:tag], in lower case; see the template's executor_image and ${keys}.image.`,
  },
  {
    pattern: /no matching manifest|does not match the detected host platform|exec format error|image operating system/i,
    cause: ({ engine, image }) => `${image ?? 'the image'} is not made for the processor or system of ${engine}`,
    hint: 'Use an image for that platform, or one for several.',
  },
  {
    pattern: /network .* not found|could not find .*network/i,
    cause: ({ engine }) => `${engine} has no such network`,
    hint: `Make it (docker network create), or change ${keys}.network.`,
  },
  {
    pattern: /manifest unknown|manifest for .* not found|No such image|repository name not known|: not found$/im,
    cause: ({ image }) => `there is no image ${image ?? 'of that name'}`,
    hint: `Check its name and tag: the template's executor_image, ${keys}.image, ${keys}.helper_image.`,
  },
  {
    pattern: /unauthorized|denied|no basic auth credentials|authentication required|authorization failed|forbidden/i,
    cause: ({ image }) => `the registry refuses ${image ?? 'the image'}, or does not have it`,
    hint: 'Check the name; for a private one log in as the user of the runner (docker login), whose credentials are used.',
  },
  {
    pattern:
      /dial tcp|no such host|connection refused|i\/o timeout|Client\.Timeout|deadline exceeded|x509:|TLS handshake|HTTP response to HTTPS client|EOF/i,
    cause: ({ engine, image }) => `${engine} does not get to the registry of ${image ?? 'the image'}`,
    hint: "Check the name of the image, and the engine's way out: DNS, proxy, the registry's certificate.",
  },
  {
    pattern: /\/bin\/sh.*no such file|exec: "\/bin\/sh"|stat \/bin\/sh/i,
    cause: ({ image }) => `there is no /bin/sh in ${image ?? 'the image'}`,
    hint: 'Use an image with a shell and the usual tools (cat, tail, mkdir, kill, …).',
  },
  {
    pattern: /Range of CPUs|CPU.* not supported|NanoCPUs/i,
    hint: `Change ${keys}.cpu_limit.`,
  },
  {
    pattern: /memory limit|Minimum memory|memoryswap/i,
    hint: `Change ${keys}.memory_limit.`,
  },
  {
    pattern: /docker-init|unable to find user|no matching entries in passwd/i,
    hint: 'Check the image (its USER), and that the engine is complete (docker-init).',
  },
];

/** True when it was not the engine that failed but the way to it. */
export function isConnectionProblem(text: string): boolean {
  return !isAnswer(text) && connectionCauses.some(({ pattern }) => pattern.test(text));
}

/** What the engine itself says of the world is said in the same words. */
function isAnswer(text: string): boolean {
  return /Error response from daemon: (?!Client sent an HTTP request)/.test(text);
}

/** A failed call as an error for people: cause and remedy. */
export function failure(attempt: Attempt, result: CallResult): UserError {
  const { what, engine } = attempt;
  switch (result.kind) {
    case 'unstartable': {
      const hint =
        'Install the docker command (Debian, Ubuntu: docker.io or docker-ce-cli) where the PATH of the runner finds it.';
      return new UserError(`Cannot ${what}: ${result.message}`, { hint: shortageHint(result.code) ?? hint });
    }
    case 'timeout':
      return new UserError(`Cannot ${what}: ${engine} did not answer in time`, {
        hint: 'Is it overloaded, or out of reach?',
      });
    case 'aborted':
      return new UserError(`Cannot ${what}: given up`);
    default: {
      const said = lastWords(result.stderr);
      const known = isAnswer(result.stderr) ? causes : [...connectionCauses, ...causes];
      const found = known.find(({ pattern }) => pattern.test(result.stderr));
      const cause = found?.cause?.(attempt);
      const text = cause === undefined ? said : `${cause} (${said})`;
      return new UserError(`Cannot ${what}: ${text}`, { hint: found?.hint ?? 'See the log of the Docker engine.' });
    }
  }
}

/** What the command said of its failure, in one line. */
export function lastWords(stderr: string): string {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(See|Run) 'docker|^WARNING: |^For more help/i.test(line));
  const text = lines
    .slice(-3)
    .join(' ')
    .replaceAll(/^(docker: )?Error response from daemon: /g, '')
    .replace(/\.$/, '');
  return text === '' ? 'it said nothing' : text.slice(-500);
}
