import { isIP } from 'node:net';
import { invalid, missing, notAllowed, required, unsupported, type FieldError } from './field-error.ts';
import { configKeyProblems, labelProblems, metadataProblems, repeated, subdomainProblems } from './names.ts';
import { quantityOf } from './quantity.ts';
import type { Container, EnvVar, Pod, SecurityContext, Volume } from './types.ts';

const maxId = 2 ** 31 - 1;
const noVolumeSource = 'must specify a volume type';
const volumeSources = [
  'secret',
  'configMap',
  'emptyDir',
  'hostPath',
  'projected',
  'downwardAPI',
  'persistentVolumeClaim',
  'ephemeral',
  'nfs',
  'csi',
] as const;

/** The rules of the API for the fields that executors use. */
export function validatePod(pod: Pod, old?: Pod): FieldError[] {
  const { spec } = pod;
  const found = metadataProblems(pod, { name: 'subdomain' });
  const volumes = spec.volumes ?? [];
  found.push(...volumes.flatMap((volume, index) => volumeProblems(volume, `spec.volumes[${index}]`)));
  found.push(
    ...repeated(
      volumes.map(({ name }) => name),
      (index) => `spec.volumes[${index}].name`,
    ),
  );
  const containers = spec.containers ?? [];
  const initContainers = spec.initContainers ?? [];
  if (containers.length === 0) found.push(required('spec.containers'));
  const known = new Set(volumes.map(({ name }) => name));
  found.push(...listProblems(containers, 'spec.containers', known));
  found.push(...listProblems(initContainers, 'spec.initContainers', known));
  const names = [...containers, ...initContainers].map(({ name }) => name ?? '');
  found.push(
    ...repeated(names, (index) =>
      index < containers.length
        ? `spec.containers[${index}].name`
        : `spec.initContainers[${index - containers.length}].name`,
    ),
  );
  const policies = ['Always', 'OnFailure', 'Never'];
  if (!policies.includes(spec.restartPolicy ?? ''))
    found.push(unsupported('spec.restartPolicy', spec.restartPolicy, policies));
  for (const alias of spec.hostAliases ?? []) {
    // The API leaves out which one it is.
    if (isIP(alias.ip) === 0) found.push(invalid('spec.hostAliases.ip', alias.ip, 'must be valid IP address'));
    for (const host of alias.hostnames ?? []) found.push(...subdomainProblems('spec.hostAliases.hostnames', host));
  }
  if (spec.hostname !== undefined) found.push(...labelProblems('spec.hostname', spec.hostname));
  if ((spec.activeDeadlineSeconds ?? 1) < 1) {
    const text = `must be between 1 and ${maxId}, inclusive`;
    found.push(invalid('spec.activeDeadlineSeconds', spec.activeDeadlineSeconds, text));
  }
  found.push(...securityProblems(spec.securityContext, 'spec.securityContext'));
  if (old) found.push(...updateProblems(pod, old));
  return found;
}

function listProblems(containers: readonly Container[], field: string, volumes: ReadonlySet<string>): FieldError[] {
  return containers.flatMap((container, index) => containerProblems(container, `${field}[${index}]`, volumes));
}

function containerProblems(container: Container, at: string, volumes: ReadonlySet<string>): FieldError[] {
  const found: FieldError[] = [];
  if (!container.name) found.push(required(`${at}.name`));
  else found.push(...labelProblems(`${at}.name`, container.name));
  if (!container.image) found.push(required(`${at}.image`));
  else if (container.image !== container.image.trim()) {
    found.push(invalid(`${at}.image`, container.image, 'must not have leading or trailing whitespace'));
  }
  for (const [index, variable] of (container.env ?? []).entries()) {
    found.push(...variableProblems(variable, `${at}.env[${index}]`));
  }
  for (const [index, source] of (container.envFrom ?? []).entries()) {
    if (!source.secretRef && !source.configMapRef) {
      found.push(invalid(`${at}.envFrom[${index}]`, '', 'must specify one of: `configMapRef` or `secretRef`'));
    }
  }
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const field = `${at}.volumeMounts[${index}]`;
    if (!mount.name) found.push(required(`${field}.name`));
    else if (!volumes.has(mount.name)) found.push(missing(`${field}.name`, mount.name));
    if (!mount.mountPath) found.push(required(`${field}.mountPath`));
  }
  const paths = (container.volumeMounts ?? []).map(({ mountPath }) => mountPath);
  for (const [index, path] of paths.entries()) {
    if (path && paths.indexOf(path) < index) {
      found.push(invalid(`${at}.volumeMounts[${index}].mountPath`, path, 'must be unique'));
    }
  }
  const pullPolicies = ['Always', 'IfNotPresent', 'Never'];
  if (container.imagePullPolicy && !pullPolicies.includes(container.imagePullPolicy)) {
    found.push(unsupported(`${at}.imagePullPolicy`, container.imagePullPolicy, pullPolicies));
  }
  found.push(...resourceProblems(container, `${at}.resources`));
  found.push(...securityProblems(container.securityContext, `${at}.securityContext`));
  return found;
}

function variableProblems(variable: EnvVar, at: string): FieldError[] {
  const found: FieldError[] = [];
  if (!variable.name) found.push(required(`${at}.name`));
  else if (variable.name.includes('=')) {
    const text = "a valid environment variable name must consist only of printable ASCII characters other than '='";
    found.push(invalid(`${at}.name`, variable.name, text));
  }
  const { valueFrom } = variable;
  if (!valueFrom) return found;
  if (variable.value) {
    found.push(invalid(`${at}.valueFrom`, '', 'may not be specified when `value` is not empty'));
  }
  for (const kind of ['secretKeyRef', 'configMapKeyRef'] as const) {
    const ref = valueFrom[kind];
    if (!ref) continue;
    if (!ref.name) found.push(required(`${at}.valueFrom.${kind}.name`));
    if (!ref.key) found.push(required(`${at}.valueFrom.${kind}.key`));
    else found.push(...configKeyProblems(`${at}.valueFrom.${kind}.key`, ref.key));
  }
  return found;
}

function resourceProblems({ resources = {} }: Container, at: string): FieldError[] {
  const found: FieldError[] = [];
  for (const [kind, values] of Object.entries(resources)) {
    for (const [name, value] of Object.entries(values)) {
      const field = `${at}.${kind}[${name}]`;
      if (!name.includes('/') && !/^(cpu|memory|ephemeral-storage|hugepages-.+)$/.test(name)) {
        found.push(invalid(field, name, 'must be a standard resource type or fully qualified'));
      }
      if (quantityOf(value) < 0) found.push(invalid(field, String(value), 'must be greater than or equal to 0'));
    }
  }
  for (const [name, value] of Object.entries(resources.requests ?? {})) {
    const limit = resources.limits?.[name];
    if (limit !== undefined && quantityOf(value) > quantityOf(limit)) {
      const text = `must be less than or equal to ${name} limit of ${limit}`;
      found.push(invalid(`${at}.requests`, String(value), text));
    }
  }
  return found;
}

function securityProblems(context: SecurityContext | undefined, at: string): FieldError[] {
  const ids = ['runAsUser', 'runAsGroup', 'fsGroup'] as const;
  return ids.flatMap((name) => {
    const id = context?.[name];
    if (id === undefined || (id >= 0 && id <= maxId)) return [];
    return [invalid(`${at}.${name}`, id, `must be between 0 and ${maxId}, inclusive`)];
  });
}

function volumeProblems(volume: Volume, at: string): FieldError[] {
  const found = volume.name ? labelProblems(`${at}.name`, volume.name) : [required(`${at}.name`)];
  const sources = volumeSources.filter((name) => name in volume);
  if (sources.length === 0) found.push(required(at, noVolumeSource));
  if (sources.length > 1) found.push(notAllowed(`${at}.${sources[1]}`, 'may not specify more than 1 volume type'));
  if (volume.secret && !volume.secret.secretName) found.push(required(`${at}.secret.secretName`));
  if (volume.configMap && !volume.configMap.name) found.push(required(`${at}.configMap.name`));
  if (volume.hostPath && !volume.hostPath.path) found.push(required(`${at}.hostPath.path`));
  for (const kind of ['secret', 'configMap'] as const) {
    const source = volume[kind];
    for (const [index, item] of (source?.items ?? []).entries()) {
      const field = `${at}.${kind}.items[${index}]`;
      if (!item.key) found.push(required(`${field}.key`));
      if (!item.path) found.push(required(`${field}.path`));
      else if (item.path.startsWith('/')) found.push(invalid(`${field}.path`, item.path, 'must be a relative path'));
      else if (item.path.split('/').includes('..')) {
        found.push(invalid(`${field}.path`, item.path, "must not contain '..'"));
      }
    }
    const mode = source?.defaultMode ?? 0;
    if (mode < 0 || mode > 0o777) {
      const text = 'must be a number between 0 and 0777 (octal), both inclusive';
      found.push(invalid(`${at}.${kind}.defaultMode`, mode, text));
    }
  }
  return found;
}

/** Of a pod that is there only its images, its deadline and its tolerations may change. */
function updateProblems(pod: Pod, old: Pod): FieldError[] {
  const same = (spec: Pod['spec']): string =>
    JSON.stringify({
      ...spec,
      containers: spec.containers.map((container) => ({ ...container, image: '' })),
      initContainers: spec.initContainers?.map((container) => ({ ...container, image: '' })),
      activeDeadlineSeconds: undefined,
      tolerations: undefined,
    });
  if (same(pod.spec) === same(old.spec)) return [];
  const text =
    'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations)';
  return [notAllowed('spec', text)];
}
