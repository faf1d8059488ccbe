import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

const variable = 'SEMAPHORE_AGENT_LOGS_COMPRESSION_SIZE';
const leastBytes = 1024 * 1024;
const mostBytes = 1024 * 1024 * 1024;
const defaultBytes = 100 * 1024 * 1024;

/** From which size on an uploaded log is compressed, bytes (spec CI 7.6): the variable, from 1 MiB to 1 GiB; else 100 MiB. */
export function compressionThreshold(env: Readonly<Record<string, string | undefined>>): number {
  const word = env[variable] ?? '';
  const bytes = /^[+]?\d+$/.test(word) ? Number(word) : 0;
  return bytes >= leastBytes && bytes <= mostBytes ? bytes : defaultBytes;
}

/** Replaces a file by `<file>.gz`, mode 0600, and returns that name. Throws the system error, with the file as it was. */
export async function compress(path: string): Promise<string> {
  const target = `${path}.gz`;
  try {
    await pipeline(createReadStream(path), createGzip(), createWriteStream(target, { flags: 'wx', mode: 0o600 }));
  } catch (error: unknown) {
    await rm(target, { force: true });
    throw error;
  }
  await rm(path);
  return target;
}
