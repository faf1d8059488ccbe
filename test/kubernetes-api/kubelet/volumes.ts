import { chmod, chown, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { configMaps, secrets } from '../objects/resources.ts';
import { quantityOf } from '../objects/quantity.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { KeyToPath, Pod, Volume } from '../objects/types.ts';
import type { Engine } from './engine.ts';
import { readField } from './environment.ts';

/** A volume that is ready: a directory of this machine, or a volume of the engine. */
export interface MountedVolume {
  /** What a container's bind names. */
  source: string;
  readOnly: boolean;
}

export interface VolumeHost {
  engine: Engine;
  store: ObjectStore;
  /** The pod's own directory. */
  directory: string;
  /** For volumes of the engine. */
  prefix: string;
  labels: Record<string, string>;
  /** Takes the names of the engine's volumes that were made. */
  made: (name: string) => void;
}

/** Makes a volume ready. Throws with the text for the event FailedMount. */
export async function mountVolume(volume: Volume, pod: Pod, host: VolumeHost): Promise<MountedVolume> {
  const group = pod.spec.securityContext?.fsGroup;
  if (volume.secret) {
    const { secretName, optional } = volume.secret;
    const files = readFiles('secret', secretName, optional === true, pod, host.store);
    return { source: await writeFiles(volume.name, volume.secret, files, 'secret', group, host), readOnly: true };
  }
  if (volume.configMap) {
    const { name, optional } = volume.configMap;
    const files = readFiles('configmap', name, optional === true, pod, host.store);
    return { source: await writeFiles(volume.name, volume.configMap, files, 'configmap', group, host), readOnly: true };
  }
  if (volume.downwardAPI) {
    const { items = [], ...rest } = volume.downwardAPI;
    const files = new Map(
      items.map(({ path, fieldRef }) => [path, Buffer.from(readField(fieldRef?.fieldPath ?? '', { pod, podIp: '' }))]),
    );
    return { source: await writeFiles(volume.name, rest, files, 'field', group, host), readOnly: true };
  }
  if (volume.hostPath) return { source: await hostPath(volume.hostPath), readOnly: false };
  if (volume.emptyDir) return { source: await emptyDir(volume.name, volume.emptyDir, group, host), readOnly: false };
  throw new Error('the stand-in has no volumes of this kind');
}

function readFiles(
  kind: 'secret' | 'configmap',
  name: string,
  optional: boolean,
  pod: Pod,
  store: ObjectStore,
): Map<string, Buffer> {
  const object = store.find(kind === 'secret' ? secrets : configMaps, pod.metadata.namespace, name);
  if (!object && !optional) throw new Error(`${kind} "${name}" not found`);
  const texts = Object.entries((object?.data ?? {}) as Record<string, string>);
  const binary = Object.entries((object?.binaryData ?? {}) as Record<string, string>);
  const encoding = kind === 'secret' ? 'base64' : 'utf8';
  return new Map([
    ...texts.map(([key, value]) => [key, Buffer.from(value, encoding)] as const),
    ...binary.map(([key, value]) => [key, Buffer.from(value, 'base64')] as const),
  ]);
}

/** Laid out as the kubelet does it, so that all files can change at once: `key -> ..data/key`, `..data -> ..<time>`. */
async function writeFiles(
  volume: string,
  { items, defaultMode = 0o644, optional }: { items?: KeyToPath[]; defaultMode?: number; optional?: boolean },
  files: ReadonlyMap<string, Buffer>,
  kind: string,
  group: number | undefined,
  { directory }: VolumeHost,
): Promise<string> {
  const root = join(directory, volume);
  const version = `..${new Date().toISOString().replaceAll(/[-:T]/g, '_')}`;
  await makeDirectory(join(root, version), 0o755, group);
  await chmod(root, 0o1777);
  const wanted = items ?? [...files.keys()].map((key): KeyToPath => ({ key, path: key }));
  for (const { key, path, mode = defaultMode } of wanted) {
    const content = files.get(key);
    if (!content && optional === true) continue;
    if (!content) throw new Error(`references non-existent ${kind} key: ${key}`);
    const file = join(root, version, path);
    await mkdir(dirname(file), { recursive: true, mode: 0o755 });
    await writeFile(file, content);
    await chmod(file, group === undefined ? mode : mode | 0o440);
    if (group !== undefined) await chown(file, process.getuid?.() ?? 0, group);
  }
  await symlink(version, join(root, '..data'));
  for (const top of new Set(wanted.map(({ path }) => path.split('/')[0] ?? path))) {
    await symlink(join('..data', top), join(root, top));
  }
  return root;
}

/** In memory it is a volume of the engine, because only the engine can mount it without being root here. */
async function emptyDir(
  volume: string,
  { medium = '', sizeLimit }: { medium?: string; sizeLimit?: string | number },
  group: number | undefined,
  { engine, directory, prefix, labels, made }: VolumeHost,
): Promise<string> {
  if (medium !== 'Memory') {
    const path = join(directory, volume);
    await makeDirectory(path, 0o777, group);
    return path;
  }
  const name = `${prefix}-${volume}`;
  const size = sizeLimit === undefined ? '' : `,size=${Math.ceil(quantityOf(sizeLimit))}`;
  const owner = group === undefined ? 'mode=0777' : `mode=2777,gid=${group}`;
  const options = { type: 'tmpfs', device: 'tmpfs', o: `${owner}${size}` };
  made(name);
  await engine.call('POST', '/volumes/create', {
    body: { Name: name, Driver: 'local', DriverOpts: options, Labels: labels },
  });
  return name;
}

async function makeDirectory(path: string, mode: number, group: number | undefined): Promise<void> {
  await mkdir(path, { recursive: true });
  if (group !== undefined) await chown(path, process.getuid?.() ?? 0, group);
  await chmod(path, group === undefined ? mode : mode | 0o2000);
}

async function hostPath({ path, type = '' }: { path: string; type?: string }): Promise<string> {
  if (type === 'DirectoryOrCreate') await mkdir(path, { recursive: true, mode: 0o755 });
  if (type === '' || type === 'DirectoryOrCreate') return path;
  const found = await stat(path).catch(() => undefined);
  const isRight =
    type === 'Directory'
      ? found?.isDirectory()
      : type === 'File'
        ? found?.isFile()
        : type === 'Socket'
          ? found?.isSocket()
          : true;
  if (isRight !== true) throw new Error(`hostPath type check failed: ${path} is not a ${type.toLowerCase()}`);
  return path;
}
