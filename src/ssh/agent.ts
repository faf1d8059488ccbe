import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdtemp, rm, rmdir } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { wireString, type AgentKey } from './key.ts';

/** Message numbers of the agent protocol (draft-ietf-sshm-ssh-agent, section 6.1). */
const message = { failure: 5, requestIdentities: 11, identitiesAnswer: 12, signRequest: 13, signResponse: 14 } as const;

/** No request of an ssh client is larger; a longer one is not for us. */
const maxRequestBytes = 256 * 1024;

/** Longest path of a Unix socket on Linux is 107 bytes, on others 103. */
const maxSocketPath = 100;

export interface SshAgentOptions {
  keys: readonly AgentKey[];
  /** Private directory of the task; when its path is too long for a socket, a private one below the system's is made. */
  directory: string;
  /** User that may connect, when it is not our own. */
  owner?: { uid: number; gid: number } | undefined;
}

export interface SshAgent {
  /** Value for `SSH_AUTH_SOCK`. */
  socketPath: string;
  /** Stops answering and removes the socket. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * An ssh-agent in this process, so that private keys never touch the disk: it lists its keys and signs with them, and
 * refuses everything else. It frames the protocol itself, because clients send extensions (`session-bind@openssh.com`) that
 * must be refused without losing the place in the stream.
 */
export async function startSshAgent(options: SshAgentOptions): Promise<SshAgent> {
  const { socketPath, ownDirectory } = await placeFor(options);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serve(socket, options.keys);
  });
  await listen(server, socketPath);
  await chmod(socketPath, 0o600);
  if (options.owner) await chown(socketPath, options.owner.uid, options.owner.gid);
  server.unref();
  return {
    socketPath,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
      await rm(socketPath, { force: true });
      if (ownDirectory !== undefined) await rmdir(ownDirectory).catch(() => undefined);
    },
  };
}

async function placeFor(options: SshAgentOptions): Promise<{ socketPath: string; ownDirectory: string | undefined }> {
  const socketPath = join(options.directory, `agent-${randomBytes(5).toString('hex')}.sock`);
  if (Buffer.byteLength(socketPath) <= maxSocketPath) return { socketPath, ownDirectory: undefined };
  const directory = await mkdtemp(join(Buffer.byteLength(tmpdir()) < 60 ? tmpdir() : '/tmp', 'agent-'));
  if (options.owner) await chown(directory, options.owner.uid, options.owner.gid);
  const short = join(directory, 's');
  return { socketPath: short, ownDirectory: dirname(short) };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function serve(socket: Socket, keys: readonly AgentKey[]): void {
  let pending: Buffer = Buffer.alloc(0);
  // A client that goes away in the middle is its own affair.
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    while (pending.length >= 4) {
      const length = pending.readUInt32BE(0);
      if (length === 0 || length > maxRequestBytes) {
        socket.destroy();
        return;
      }
      if (pending.length < 4 + length) return;
      socket.write(wireString(answer(pending.subarray(4, 4 + length), keys)));
      pending = pending.subarray(4 + length);
    }
  });
}

function answer(request: Buffer, keys: readonly AgentKey[]): Buffer {
  switch (request[0]) {
    case message.requestIdentities:
      return identities(keys);
    case message.signRequest:
      return signature(request, keys) ?? Buffer.from([message.failure]);
    default:
      return Buffer.from([message.failure]);
  }
}

function identities(keys: readonly AgentKey[]): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(message.identitiesAnswer, 0);
  head.writeUInt32BE(keys.length, 1);
  return Buffer.concat([
    head,
    ...keys.flatMap((key) => [wireString(key.publicBlob), wireString(Buffer.from(key.comment))]),
  ]);
}

function signature(request: Buffer, keys: readonly AgentKey[]): Buffer | undefined {
  const blob = readString(request, 1);
  const data = blob && readString(request, blob.after);
  if (!blob || !data || request.length < data.after + 4) return undefined;
  const key = keys.find((candidate) => candidate.publicBlob.equals(blob.value));
  if (!key) return undefined;
  try {
    return Buffer.concat([
      Buffer.from([message.signResponse]),
      wireString(key.sign(data.value, request.readUInt32BE(data.after))),
    ]);
  } catch {
    // The client goes on to its next key, as with any agent that cannot sign.
    return undefined;
  }
}

function readString(buffer: Buffer, position: number): { value: Buffer; after: number } | undefined {
  if (buffer.length < position + 4) return undefined;
  const after = position + 4 + buffer.readUInt32BE(position);
  return buffer.length < after ? undefined : { value: buffer.subarray(position + 4, after), after };
}
