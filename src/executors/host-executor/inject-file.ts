import { chmod, mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { messageOf } from '../../lib/index.ts';
import type { JobFile } from '../../protocol/ci/index.ts';
import { decodeBase64 } from './base64.ts';

/** Where a file of a job belongs (spec CI 4.4). Of `~`, only one at the beginning is the home directory. */
export function normalisePath(path: string, home: string): string {
  if (isAbsolute(path)) return path;
  return path.startsWith('~') ? home + path.slice(1) : join(home, path);
}

/** What became of a file; `output` tells the user why not. */
export interface Injection {
  exitCode: number;
  output?: string;
}

/**
 * Writes one file of a job to `path` (spec CI 5.5). It is its owner's alone until it is complete and has its mode. As in the original,
 * an unusable mode is found last, when the content is there.
 */
export async function injectFile(path: string, { content, mode }: JobFile): Promise<Injection> {
  const decoded = decodeBase64(content);
  if (!decoded) return failed('Failed to decode the content of the file.');
  const directory = dirname(path);
  try {
    await mkdir(directory, { recursive: true, mode: 0o750 });
  } catch (error: unknown) {
    return failed(`Failed to create directory '${directory}': ${reasonOf(error)}`);
  }
  let file: FileHandle;
  try {
    file = await open(path, 'w', 0o600);
  } catch (error: unknown) {
    return failed(`Failed to create destination path '${path}': ${reasonOf(error)}`);
  }
  try {
    await file.writeFile(decoded);
  } catch (error: unknown) {
    return failed(`Failed to write the content of '${path}': ${reasonOf(error)}`, 255);
  } finally {
    await file.close();
  }
  const bits = parseMode(mode);
  if (bits === undefined) return failed(`bad file permission '${mode}'`);
  try {
    await chmod(path, bits);
  } catch (error: unknown) {
    return failed(`Failed to set file mode '${mode}' for '${path}': ${reasonOf(error)}`);
  }
  return { exitCode: 0 };
}

function failed(text: string, exitCode = 1): Injection {
  return { exitCode, output: `${text}\n` };
}

/** Octal digits that fit into 32 bits; of these, the permissions count. */
function parseMode(mode: string): number | undefined {
  if (!/^[0-7]+$/.test(mode)) return undefined;
  const bits = Number.parseInt(mode, 8);
  return bits > 0xffff_ffff ? undefined : bits & 0o777;
}

/** `open /x: permission denied` instead of `EACCES: permission denied, open '/x'`: the words of the original. */
function reasonOf(error: unknown): string {
  const message = messageOf(error);
  const [, text, call, path] = /^[A-Z0-9]+: (.*), (\w+)(?: '(.*)')?$/s.exec(message) ?? [];
  return text === undefined ? message : `${[call, path].filter((part) => part !== undefined).join(' ')}: ${text}`;
}
