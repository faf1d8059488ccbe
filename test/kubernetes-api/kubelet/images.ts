import { createInterface } from 'node:readline';
import { secrets } from '../objects/resources.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { Container, Pod } from '../objects/types.ts';
import { EngineError, type Engine, type ImageInfo } from './engine.ts';
import { Waiting } from './waiting.ts';

export interface PullReport {
  /** Writes an event about the container. */
  event: (type: 'Normal' | 'Warning', reason: string, message: string) => void;
  /** An image was brought that was not here before. */
  pulled: (image: string) => void;
}

/** The image of a container, pulled when its policy says so. Throws Waiting with the kubelet's reasons. */
export async function ensureImage(
  engine: Engine,
  store: ObjectStore,
  pod: Pod,
  { image, imagePullPolicy: policy }: Container,
  report: PullReport,
  signal: AbortSignal,
): Promise<ImageInfo> {
  if (!/^[a-z0-9.\-:/_@]+$/.test(image.replace(/[:@][^/]*$/, '')) && !/^[^/]+:\d+\//.test(image)) {
    const text = `Failed to apply default image tag "${image}": couldn't parse image reference "${image}": invalid reference format`;
    report.event('Warning', 'InspectFailed', text);
    throw new Waiting('InvalidImageName', text);
  }
  const here = await engine.findImage(image);
  if (here && policy !== 'Always') {
    report.event('Normal', 'Pulled', `Container image "${image}" already present on machine`);
    return here;
  }
  if (policy === 'Never') {
    const text = `Container image "${image}" is not present with pull policy of Never`;
    report.event('Warning', 'ErrImageNeverPull', text);
    throw new Waiting('ErrImageNeverPull', text);
  }
  report.event('Normal', 'Pulling', `Pulling image "${image}"`);
  try {
    await pull(engine, image, credentialsFor(image, pod, store), signal);
  } catch (error: unknown) {
    if (signal.aborted) throw error;
    const cause = `rpc error: code = Unknown desc = ${error instanceof EngineError ? 'Error response from daemon: ' : ''}${error instanceof Error ? error.message : String(error)}`;
    report.event('Warning', 'Failed', `Failed to pull image "${image}": ${cause}`);
    report.event('Warning', 'Failed', 'Error: ErrImagePull');
    throw new Waiting('ErrImagePull', cause);
  }
  if (!here) report.pulled(image);
  report.event('Normal', 'Pulled', `Successfully pulled image "${image}"`);
  const found = await engine.findImage(image);
  if (!found) throw new Waiting('ErrImagePull', `image "${image}" is gone after it was pulled`);
  return found;
}

/** Tries the credentials in turn; without any the registry is asked as nobody. */
async function pull(
  engine: Engine,
  image: string,
  credentials: readonly Credentials[],
  signal: AbortSignal,
): Promise<void> {
  let failure: unknown;
  for (const login of credentials.length === 0 ? [undefined] : credentials) {
    try {
      await pullAs(engine, image, login, signal);
      return;
    } catch (error: unknown) {
      failure = error;
    }
  }
  throw failure;
}

async function pullAs(
  engine: Engine,
  image: string,
  login: Credentials | undefined,
  signal: AbortSignal,
): Promise<void> {
  const hasTag = /[:@][^/]*$/.test(image);
  const headers: Record<string, string> = {};
  if (login) headers['x-registry-auth'] = Buffer.from(JSON.stringify(login)).toString('base64url');
  const query = new URLSearchParams({ fromImage: image, ...(!hasTag && { tag: 'latest' }) });
  const response = await engine.stream('POST', `/images/create?${query.toString()}`, { headers, signal });
  for await (const line of createInterface({ input: response })) {
    const { error } = JSON.parse(line) as { error?: string };
    if (error !== undefined) throw new EngineError(500, error);
  }
}

interface Credentials {
  username: string;
  password: string;
  serveraddress: string;
}

interface DockerConfig {
  auths?: Record<string, { username?: string; password?: string; auth?: string }>;
}

/** What the pod's imagePullSecrets have for the image's registry. */
function credentialsFor(image: string, pod: Pod, store: ObjectStore): Credentials[] {
  const registry = registryOf(image);
  return (pod.spec.imagePullSecrets ?? []).flatMap(({ name }) => {
    const secret = store.find(secrets, pod.metadata.namespace, name);
    const encoded = (secret?.data as Record<string, string> | undefined)?.['.dockerconfigjson'];
    if (encoded === undefined) return [];
    const { auths = {} } = JSON.parse(Buffer.from(encoded, 'base64').toString('utf8')) as DockerConfig;
    return Object.entries(auths)
      .filter(([server]) => registryOf(`${server.replace(/^https?:\/\//, '').split('/')[0]}/x`) === registry)
      .map(([server, entry]) => ({ ...loginOf(entry), serveraddress: server }));
  });
}

function loginOf({ username, password, auth = '' }: { username?: string; password?: string; auth?: string }) {
  const [, user = '', secret = ''] = /^([^:]*):(.*)$/s.exec(Buffer.from(auth, 'base64').toString('utf8')) ?? [];
  return { username: username ?? user, password: password ?? secret };
}

function registryOf(image: string): string {
  const first = image.includes('/') ? (image.split('/')[0] ?? '') : '';
  const isHost = first.includes('.') || first.includes(':') || first === 'localhost';
  if (!isHost) return 'docker.io';
  return ['index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com'].includes(first) ? 'docker.io' : first;
}
