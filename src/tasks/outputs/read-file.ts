import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { codeOf, messageOf } from '../../lib/index.ts';
import type { Owner } from '../owner.ts';
import { invalidOutputs, outputLimits } from './document.ts';

/**
 * What a task wrote as its outputs; "" when the file is gone. The directory is the task's own, so anything may be there by
 * now: a link to a file that only we can read is not followed, a pipe is not waited for, a file of another user is not read.
 * Throws TaskProblem.
 */
export async function readOutputsFile(path: string, owner: Owner | undefined): Promise<string> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return '';
    if (codeOf(error) === 'ELOOP') throw invalidOutputs('the file is a symbolic link');
    throw invalidOutputs(`the file cannot be read: ${messageOf(error)}`);
  }
  try {
    const found = await file.stat();
    if (!found.isFile()) throw invalidOutputs('the file is not a regular file');
    if (owner && found.uid !== owner.uid) throw invalidOutputs('the file belongs to another user');
    return decoded(await firstBytes(file, outputLimits.bytes + 1));
  } finally {
    await file.close();
  }
}

/** At most `length` bytes: what is still growing must not fill our memory. */
async function firstBytes(file: FileHandle, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

function decoded(bytes: Buffer): string {
  if (bytes.length > outputLimits.bytes) throw invalidOutputs(`the file is larger than ${outputLimits.bytes} bytes`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalidOutputs('the file is not UTF-8');
  }
}
