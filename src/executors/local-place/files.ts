import { constants } from 'node:fs';
import { lstat, open, readdir, realpath, rm, stat, type FileHandle } from 'node:fs/promises';
import { which } from '../../execution/index.ts';
import { codeOf } from '../../lib/index.ts';
import type { FileKind, TaskFiles } from '../../tasks/types.ts';
import type { Owner } from './identity.ts';

const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY } = constants;

/**
 * The files of this machine, as the runner's own user sees them. `owner` is the user of the task when that is another one: then
 * anything may be in the place of a file.
 */
export function localFiles(owner: Owner | undefined): TaskFiles {
  return {
    kindOf: (path, links = 'follow') => kindOf(path, links),
    read: (path, maxBytes) => withFile(path, 0, (file) => contentOf(file, maxBytes)),
    readOwn: (path, maxBytes) =>
      withFile(path, O_NOFOLLOW, async (file) => {
        const found = await file.stat();
        if (!found.isFile()) throw refusal('EINVAL', `${path} is not a regular file`);
        if (owner && found.uid !== owner.uid) throw refusal('EPERM', `${path} belongs to another user`);
        return await contentOf(file, maxBytes);
      }),
    write,
    remove: (path) => rm(path, { force: true }),
    list: (path) => orElse(['ENOENT', 'ENOTDIR'], [], () => readdir(path)),
    realPath: (path) => realpath(path),
    which: async (command, searchPath, cwd) => {
      const executable = which(command, searchPath, cwd);
      if (executable.kind === 'missing') return undefined;
      return { path: executable.path, version: String((await stat(executable.path)).mtimeMs) };
    },
  };
}

async function kindOf(path: string, links: 'follow' | 'tell'): Promise<FileKind | undefined> {
  // Why it cannot be seen does not matter.
  const found = await (links === 'follow' ? stat(path) : lstat(path)).catch(() => undefined);
  if (!found) return undefined;
  if (found.isSymbolicLink()) return 'link';
  if (found.isDirectory()) return 'directory';
  return found.isFile() ? 'file' : 'other';
}

async function withFile(
  path: string,
  flags: number,
  work: (file: FileHandle) => Promise<Buffer>,
): Promise<Buffer | undefined> {
  const file = await orElse(['ENOENT', 'ENOTDIR'], undefined, () => open(path, O_RDONLY | O_NONBLOCK | flags));
  if (!file) return undefined;
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

/** At most `maxBytes`: what is still growing must not fill our memory. */
async function contentOf(file: FileHandle, maxBytes: number | undefined): Promise<Buffer> {
  if (maxBytes === undefined) return await file.readFile();
  const buffer = Buffer.alloc(maxBytes);
  let filled = 0;
  while (filled < maxBytes) {
    const { bytesRead } = await file.read(buffer, filled, maxBytes - filled, null);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

async function write(path: string, content: string | Buffer, mode: number): Promise<void> {
  const file = await open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK, mode);
  try {
    await file.writeFile(content);
  } finally {
    await file.close();
  }
}

function refusal(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

async function orElse<Value, Other>(
  codes: readonly string[],
  other: Other,
  work: () => Promise<Value>,
): Promise<Value | Other> {
  try {
    return await work();
  } catch (error: unknown) {
    if (codes.includes(codeOf(error) ?? '')) return other;
    throw error;
  }
}
