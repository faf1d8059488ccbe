import { connect, type Socket } from 'node:net';
import { UserError } from '../lib/index.ts';
import type { AgentKey } from './key.ts';
import { readString, wireNumber, wireString } from './wire.ts';

/** Message numbers of the agent protocol (draft-ietf-sshm-ssh-agent, section 6.1). */
const message = { success: 6, requestIdentities: 11, identitiesAnswer: 12, addIdentity: 17 } as const;

/** What a socket answers that is not an ssh-agent's; bytes. */
const maxAnswerBytes = 256 * 1024;

/** An agent that is there answers at once; one that was stopped never does. Milliseconds. */
const patienceMs = 5000;

/** Gives keys to the agent behind the socket, in this order. Throws UserError when it refuses one, else the system's error. */
export async function addKeys(socketPath: string, keys: readonly AgentKey[]): Promise<void> {
  for (const { comment, privateBlob } of keys) {
    const request = Buffer.concat([Buffer.from([message.addIdentity]), privateBlob, wireString(comment)]);
    const answer = await ask(socketPath, request);
    if (answer[0] === message.success) continue;
    throw new UserError(`ssh-agent refuses the key "${comment}".`, {
      hint: 'Its kind or length is not allowed any more: make a new one with `ssh-keygen -t ed25519`.',
    });
  }
}

/** The public keys that the agent behind the socket has; undefined when nobody answers there as an agent does. */
export async function listKeys(socketPath: string): Promise<Buffer[] | undefined> {
  let answer: Buffer;
  try {
    answer = await ask(socketPath, Buffer.from([message.requestIdentities]));
  } catch {
    return undefined;
  }
  if (answer[0] !== message.identitiesAnswer) return undefined;
  const keys: Buffer[] = [];
  for (let position = 5; ;) {
    const blob = readString(answer, position);
    const comment = blob && readString(answer, blob.after);
    if (!comment) return keys;
    keys.push(blob.value);
    position = comment.after;
  }
}

async function ask(socketPath: string, request: Buffer): Promise<Buffer> {
  const socket = connect(socketPath);
  socket.setTimeout(patienceMs, () => socket.destroy(new Error('ssh-agent does not answer')));
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('ssh-agent closed the connection')));
      readAnswer(socket, resolve);
      socket.write(Buffer.concat([wireNumber(request.length), request]));
    });
  } finally {
    socket.destroy();
  }
}

function readAnswer(socket: Socket, done: (answer: Buffer) => void): void {
  let received: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    if (received.length > maxAnswerBytes) socket.destroy();
    const answer = readString(received, 0);
    if (answer) done(answer.value);
  });
}
