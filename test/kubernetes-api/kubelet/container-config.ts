import { quantityOf } from '../objects/quantity.ts';
import type { Container, Pod, SecurityContext } from '../objects/types.ts';
import type { ImageInfo } from './engine.ts';
import { expandReferences } from './environment.ts';
import type { MountedVolume } from './volumes.ts';
import { Waiting } from './waiting.ts';

/** The container that holds the pod's network; the others join it. It only sleeps. */
export function sandboxConfig(pod: Pod, image: string, network: string, labels: Record<string, string>): unknown {
  const aliases = (pod.spec.hostAliases ?? []).flatMap(({ ip, hostnames = [] }) =>
    hostnames.map((name) => `${name}:${ip}`),
  );
  return {
    Image: image,
    Entrypoint: ['sleep', '2147483647'],
    Cmd: [],
    ...(pod.spec.hostNetwork !== true && { Hostname: (pod.spec.hostname ?? pod.metadata.name).slice(0, 63) }),
    Labels: labels,
    StopSignal: 'SIGKILL',
    HostConfig: {
      ExtraHosts: aliases,
      NetworkMode: pod.spec.hostNetwork === true ? 'host' : network,
      IpcMode: 'shareable',
    },
  };
}

export interface ContainerParts {
  pod: Pod;
  container: Container;
  image: ImageInfo;
  sandbox: string;
  environment: ReadonlyMap<string, string>;
  volumes: ReadonlyMap<string, MountedVolume>;
  labels: Record<string, string>;
}

/** A container of a pod as the engine's API takes it. Throws Waiting for what its security context refuses. */
export function containerConfig(parts: ContainerParts): unknown {
  const { pod, container, image, sandbox, environment, volumes, labels } = parts;
  const expand = (words: readonly string[]): string[] => words.map((word) => expandReferences(word, environment));
  const context = { ...pod.spec.securityContext, ...container.securityContext };
  const user = userOf(pod, container, context, image);
  const groups = [...(context.supplementalGroups ?? []), ...(context.fsGroup === undefined ? [] : [context.fsGroup])];
  return {
    Image: image.Id,
    // With a command of the pod the image's own arguments do not count; without one the image's entrypoint stays.
    ...(container.command && { Entrypoint: expand(container.command) }),
    ...(container.args ? { Cmd: expand(container.args) } : container.command && { Cmd: [] }),
    Env: [...environment].map(([name, value]) => `${name}=${value}`),
    ...(container.workingDir !== undefined && { WorkingDir: container.workingDir }),
    ...(user !== undefined && { User: user }),
    OpenStdin: container.stdin === true,
    Tty: container.tty === true,
    Labels: labels,
    HostConfig: {
      NetworkMode: `container:${sandbox}`,
      IpcMode: `container:${sandbox}`,
      ...(pod.spec.shareProcessNamespace === true && { PidMode: `container:${sandbox}` }),
      Binds: bindsOf(container, volumes),
      GroupAdd: groups.map(String),
      Privileged: context.privileged === true,
      ReadonlyRootfs: context.readOnlyRootFilesystem === true,
      CapAdd: context.capabilities?.add ?? [],
      CapDrop: context.capabilities?.drop ?? [],
      SecurityOpt: context.allowPrivilegeEscalation === false ? ['no-new-privileges'] : [],
      ...limitsOf(container),
    },
  };
}

function userOf(pod: Pod, container: Container, context: SecurityContext, image: ImageInfo): string | undefined {
  const imageUser = image.Config?.User ?? '';
  if (context.runAsNonRoot === true && context.runAsUser === undefined) {
    const where = `(pod: "${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})", container: ${container.name})`;
    if (imageUser === '' || /^(0|root)(:|$)/.test(imageUser)) {
      throw new Waiting('CreateContainerConfigError', `container has runAsNonRoot and image will run as root ${where}`);
    }
    if (!/^\d+/.test(imageUser)) {
      const text = `container has runAsNonRoot and image has non-numeric user (${imageUser}), cannot verify user is non-root ${where}`;
      throw new Waiting('CreateContainerConfigError', text);
    }
  }
  if (context.runAsNonRoot === true && context.runAsUser === 0) {
    throw new Waiting('CreateContainerConfigError', "container's runAsUser breaks non-root policy");
  }
  if (context.runAsUser === undefined) return undefined;
  return context.runAsGroup === undefined ? String(context.runAsUser) : `${context.runAsUser}:${context.runAsGroup}`;
}

function bindsOf(container: Container, volumes: ReadonlyMap<string, MountedVolume>): string[] {
  return (container.volumeMounts ?? []).map(({ name, mountPath, readOnly, subPath }) => {
    const volume = volumes.get(name);
    if (!volume) throw new Error(`volume ${name} of ${container.name} is not mounted`);
    const source = subPath === undefined || subPath === '' ? volume.source : `${volume.source}/${subPath}`;
    return `${source}:${mountPath}${volume.readOnly || readOnly === true ? ':ro' : ''}`;
  });
}

function limitsOf({ resources = {} }: Container): Record<string, number> {
  const { limits = {}, requests = {} } = resources;
  const memory = limits.memory === undefined ? undefined : Math.ceil(quantityOf(limits.memory));
  return {
    ...(memory !== undefined && { Memory: memory, MemorySwap: memory }),
    ...(limits.cpu !== undefined && { CpuPeriod: 100_000, CpuQuota: Math.max(1000, quantityOf(limits.cpu) * 100_000) }),
    ...(requests.cpu !== undefined && { CpuShares: Math.max(2, Math.round(quantityOf(requests.cpu) * 1024)) }),
  };
}
