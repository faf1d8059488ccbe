import { codeOf, messageOf } from '../../lib/index.ts';
import type { TaskProblem } from '../problem.ts';
import type { TaskFiles } from '../types.ts';
import { invalidOutputs, outputLimits } from './document.ts';

/**
 * What a task wrote as its outputs; "" when the file is gone. The directory is the task's own, so anything may be there by
 * now: only what is a file of the task's user is read. Throws TaskProblem.
 */
export async function readOutputsFile(files: TaskFiles, path: string): Promise<string> {
  let bytes: Buffer | undefined;
  try {
    bytes = await files.readOwn(path, outputLimits.bytes + 1);
  } catch (error: unknown) {
    throw unreadable(error);
  }
  return bytes === undefined ? '' : decoded(bytes);
}

function unreadable(error: unknown): TaskProblem {
  switch (codeOf(error)) {
    case 'ELOOP':
      return invalidOutputs('the file is a symbolic link');
    case 'EINVAL':
      return invalidOutputs('the file is not a regular file');
    case 'EPERM':
      return invalidOutputs('the file belongs to another user');
    default:
      return invalidOutputs(`the file cannot be read: ${messageOf(error)}`);
  }
}

function decoded(bytes: Buffer): string {
  if (bytes.length > outputLimits.bytes) throw invalidOutputs(`the file is larger than ${outputLimits.bytes} bytes`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalidOutputs('the file is not UTF-8');
  }
}
