import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { WebSocket, WebSocketServer } from 'ws';
import { demultiplexer, EngineError, type Engine } from '../kubelet/engine.ts';
import type { Cluster } from './context.ts';
import { podContainer } from './pod-container.ts';
import type { ResourceRequest } from './request-info.ts';
import { ApiError, badRequest, internalError, type Status } from './status.ts';

/** First byte of every message of an exec WebSocket. */
const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

interface ExecOptions {
  command: string[];
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

/** Runs a process in a container for a WebSocket. Throws before the upgrade what the API would answer instead of one. */
export async function startExec(
  cluster: Cluster,
  sockets: WebSocketServer,
  info: ResourceRequest,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<WebSocket> {
  const options = optionsOf(info.query);
  const { pod, container, record } = podContainer(cluster, info);
  if (!pod.spec.nodeName) throw badRequest(`pod ${info.name} does not have a host assigned`);
  if (!record?.isRunning || record.id === undefined) {
    throw new ApiError(500, 'InternalError', `unable to upgrade connection: container not found ("${container}")`);
  }
  const { engine } = cluster.kubelet;
  const id = await createExec(engine, record.id, options);
  const webSocket = await new Promise<WebSocket>((resolve) => {
    sockets.handleUpgrade(request, socket, head, (made) => resolve(made));
  });
  // What the client says before the process runs must not be lost.
  const early: Buffer[] = [];
  const keep = (data: Buffer): void => void early.push(data);
  webSocket.on('message', keep);
  void connect(engine, id, options, webSocket, () => {
    webSocket.off('message', keep);
    return early;
  });
  return webSocket;
}

function optionsOf(query: URLSearchParams): ExecOptions {
  const flag = (name: string): boolean => ['true', '1'].includes(query.get(name) ?? '');
  const options = {
    command: query.getAll('command'),
    stdin: flag('stdin'),
    stdout: flag('stdout'),
    stderr: flag('stderr'),
    tty: flag('tty'),
  };
  if (options.command.length === 0) throw badRequest('you must specify at least 1 command for the container');
  if (!options.stdin && !options.stdout && !options.stderr) {
    throw badRequest('you must specify at least one of stdin, stdout, stderr');
  }
  // A terminal has one output.
  return { ...options, stderr: options.stderr && !options.tty };
}

async function createExec(engine: Engine, container: string, options: ExecOptions): Promise<string> {
  const body = {
    AttachStdin: options.stdin,
    AttachStdout: options.stdout,
    AttachStderr: options.stderr,
    Tty: options.tty,
    Cmd: options.command,
  };
  try {
    return (await engine.call<{ Id: string }>('POST', `/containers/${container}/exec`, { body })).Id;
  } catch (error: unknown) {
    if (!(error instanceof EngineError)) throw error;
    throw new ApiError(500, 'InternalError', `unable to upgrade connection: ${error.message}`);
  }
}

async function connect(
  engine: Engine,
  id: string,
  options: ExecOptions,
  webSocket: WebSocket,
  takeOver: () => Buffer[],
): Promise<void> {
  const send = (channel: number, bytes: Uint8Array): void => {
    if (webSocket.readyState === webSocket.OPEN) webSocket.send(Buffer.concat([Buffer.from([channel]), bytes]));
  };
  // Says that the process is being started, as the API does it.
  send(options.stdout ? channels.stdout : options.stderr ? channels.stderr : channels.error, Buffer.alloc(0));
  let refusal = '';
  try {
    const { socket, head } = await engine.hijack(`/exec/${id}/start`, { Detach: false, Tty: options.tty });
    const onData = (stream: 'stdout' | 'stderr', bytes: Buffer): void => {
      // The engine says in the output that it could not start the process.
      if (bytes.toString('latin1').startsWith('OCI runtime exec failed')) refusal = bytes.toString('utf8').trim();
      else send(channels[stream], bytes);
    };
    const cut = demultiplexer(onData);
    const read = (chunk: Buffer): void => (options.tty ? onData('stdout', chunk) : cut(chunk));
    if (head.length > 0) read(head);
    socket.on('data', read);
    listen(engine, id, webSocket, socket, takeOver());
    await new Promise((resolve) => socket.once('close', resolve).once('error', resolve));
    send(channels.error, Buffer.from(JSON.stringify(await outcome(engine, id, refusal))));
  } catch (error: unknown) {
    const cause = error instanceof Error ? error.message : String(error);
    const { status } = internalError(`error executing command in container: ${cause}`);
    send(channels.error, Buffer.from(JSON.stringify(status)));
  }
  webSocket.close(1000);
}

/** What the client sends: input, the terminal's size, and, since version 5 of the protocol, the end of the input. */
function listen(engine: Engine, id: string, webSocket: WebSocket, socket: Socket, early: readonly Buffer[]): void {
  const take = (data: Buffer): void => {
    const [channel] = data;
    if (channel === channels.stdin) socket.write(data.subarray(1));
    if (channel === channels.resize) resize(engine, id, data.subarray(1).toString('utf8'));
    if (channel === channels.close && webSocket.protocol === 'v5.channel.k8s.io' && data[1] === channels.stdin)
      socket.end();
  };
  for (const data of early) take(data);
  webSocket.on('message', take);
  // The process itself is not ended by that, only its input.
  webSocket.once('close', () => socket.end());
}

function resize(engine: Engine, id: string, text: string): void {
  const { Width, Height } = JSON.parse(text) as { Width?: number; Height?: number };
  // The process may have ended, or not have begun.
  engine.call('POST', `/exec/${id}/resize?w=${Width ?? 0}&h=${Height ?? 0}`).catch(() => undefined);
}

async function outcome(engine: Engine, id: string, refusal: string): Promise<Partial<Status>> {
  const { ExitCode, Running } = await engine.call<{ ExitCode: number | null; Running: boolean }>(
    'GET',
    `/exec/${id}/json`,
  );
  if (refusal !== '') {
    return internalError(`error executing command in container: failed to exec in container: ${refusal}`).status;
  }
  if (ExitCode === 0 && !Running) return { metadata: {}, status: 'Success' };
  if (ExitCode === null || Running) {
    return internalError('error executing command in container: the connection to the process was lost').status;
  }
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: command terminated with exit code ${ExitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(ExitCode) }] },
  };
}
