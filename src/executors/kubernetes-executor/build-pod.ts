import { UserError } from '../../lib/index.ts';
import type { JobRequest } from '../../protocol/ci/index.ts';
import { decodeBase64 } from '../host-executor/base64.ts';
import type { ContainerSpec, PodSpec } from '../kubernetes/index.ts';
import type { Decoration } from './decoration.ts';
import { injectedDirectory } from './environment-secrets.ts';
import { checkImage } from './images.ts';
import { containerName, isHostName, type JobNames } from './names.ts';
import { shellWords } from './shell-words.ts';
import { securityOf } from './user.ts';

export type JobContainer = JobRequest['compose']['containers'][number];

export interface BuildPodOptions {
  containers: readonly JobContainer[];
  defaultImage: string;
  allowedImages: readonly string[];
  decoration: Decoration;
  names: JobNames;
  environmentSecrets: number;
  hasPullSecret: boolean;
}

export interface BuiltPod {
  spec: PodSpec;
  /** What of the request cannot be had in a pod, for the job's log. */
  remarks: string[];
}

/** What a container prints last is kept as the reason when it fails: a shell has not seen it. */
const lastWords = { terminationMessagePolicy: 'FallbackToLogsOnError' } as const;

/** Name of the container that the commands run in, whatever the request calls it. */
export const mainContainer = 'main';
const noContainers = 'no containers specified in Semaphore YAML, and no default container is provided';

/** Makes the pod of a job (spec CI 6.3, 4.2). Throws UserError. */
export function buildPod(options: BuildPodOptions): BuiltPod {
  const { allowedImages, decoration, names, environmentSecrets, hasPullSecret } = options;
  const [main, ...sidecars] = containersOf(options);
  if (!main) throw new UserError(noContainers);
  for (const { image } of [main, ...sidecars]) checkImage(image, allowedImages);
  const taken = new Set([mainContainer]);
  const remarks: string[] = [];
  const named = sidecars.map((container) => {
    const name = containerName(container.name, taken);
    taken.add(name);
    return { name, container };
  });
  const { imagePullSecrets = [], volumes = [] } = decoration.pod;
  const injected = Array.from({ length: environmentSecrets }, (_, index) => injectedVolume(names, index));
  const aliases = hostAliases(named, remarks);
  const spec: PodSpec = {
    ...decoration.pod,
    ...(aliases && { hostAliases: aliases }),
    restartPolicy: 'Never',
    imagePullSecrets: [...imagePullSecrets, ...(hasPullSecret ? [{ name: names.pullSecret }] : [])],
    volumes: [...volumes, ...injected.map(({ volume }) => volume)],
    containers: [
      mainSpec(
        main,
        decoration.main,
        injected.map(({ mount }) => mount),
        remarks,
      ),
      ...named.map(({ name, container }) => sidecarSpec(name, container, decoration.sidecars, remarks)),
    ],
  };
  return { spec, remarks };
}

function containersOf({ containers, defaultImage }: BuildPodOptions): readonly JobContainer[] {
  if (containers.length > 0) return containers;
  if (defaultImage === '') throw new UserError(noContainers);
  return [{ name: mainContainer, image: defaultImage, command: '', entrypoint: '', user: '', variables: [] }];
}

function mainSpec(
  container: JobContainer,
  decoration: Partial<ContainerSpec>,
  mounts: NonNullable<ContainerSpec['volumeMounts']>,
  remarks: string[],
): ContainerSpec {
  return {
    ...lastWords,
    ...decoration,
    ...securityOf(container, decoration, remarks),
    name: mainContainer,
    image: container.image,
    env: environment(container, decoration),
    // It only keeps the pod; the commands come through the session.
    command: ['bash', '-c', 'sleep infinity'],
    volumeMounts: [...(decoration.volumeMounts ?? []), ...mounts],
  };
}

/** What compose calls entrypoint is `command` here, and what it calls command is `args`. */
function sidecarSpec(
  name: string,
  container: JobContainer,
  decoration: Partial<ContainerSpec>,
  remarks: string[],
): ContainerSpec {
  const command = literalWords(container, 'entrypoint');
  const args = literalWords(container, 'command');
  return {
    ...lastWords,
    ...decoration,
    ...securityOf(container, decoration, remarks),
    name,
    image: container.image,
    env: environment(container, decoration),
    ...(command.length > 0 && { command }),
    ...(args.length > 0 && { args }),
  };
}

function literalWords(container: JobContainer, key: 'command' | 'entrypoint'): string[] {
  try {
    return shellWords(container[key]).map(literal);
  } catch (error: unknown) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${key} of container '${container.name}': ${error.message}`);
  }
}

function environment(container: JobContainer, { env = [] }: Partial<ContainerSpec>): NonNullable<ContainerSpec['env']> {
  return [
    ...env,
    ...container.variables.map(({ name, value }) => {
      const decoded = decodeBase64(value);
      if (decoded) return { name, value: literal(decoded.toString('utf8')) };
      throw new UserError(`the value of the variable '${name}' of container '${container.name}' is not base64`);
    }),
  ];
}

/** Kubernetes would put values of variables where the text says `$(NAME)`. */
function literal(text: string): string {
  return text.replaceAll('$', '$$$$');
}

/** All containers of a pod have one address; the names of the others lead there. */
function hostAliases(
  named: readonly { name: string; container: JobContainer }[],
  remarks: string[],
): PodSpec['hostAliases'] | undefined {
  if (named.length === 0) return undefined;
  const hostnames = new Set<string>();
  for (const { name, container } of named) {
    if (isHostName(container.name)) {
      hostnames.add(container.name);
    } else {
      hostnames.add(name);
      remarks.push(`Container '${container.name}' is reachable as '${name}': its name is no host name for Kubernetes.`);
    }
  }
  return [{ ip: '127.0.0.1', hostnames: [...hostnames] }];
}

/** Each secret is a volume of its own; usually there is one, named as in the original. */
function injectedVolume(
  names: JobNames,
  index: number,
): {
  volume: NonNullable<PodSpec['volumes']>[number];
  mount: NonNullable<ContainerSpec['volumeMounts']>[number];
} {
  const name = `environment${index === 0 ? '' : `-${index + 1}`}`;
  return {
    volume: { name, secret: { secretName: names.environmentSecret(index) } },
    mount: { name, mountPath: injectedDirectory(index), readOnly: true },
  };
}
