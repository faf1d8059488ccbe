import { appendFile, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, UserError, writeFileAtomic } from '../../lib/index.ts';
import { decodeBase64 } from './base64.ts';

/**
 * What lets somebody look into a job from outside: keys to log in with, a script that leads into the job, and the job's variables in the
 * login shell (spec CI 3.6). Only for hosted jobs and `agent run`.
 */

/** The script that debug sessions start, when nothing else is asked for. */
export const usualJumpPoint = '/tmp/ssh_jump_point';

/** Without arguments a login shell, with arguments these. */
const jumpScript = `#!/bin/bash

if [ $# -eq 0 ]; then
  exec bash --login
else
  exec "$@"
fi
`;

/**
 * Adds keys, each the base64 of a line, to those that may log in. Throws UserError when one is not base64 (then none is added), or the
 * system's error.
 */
export async function authorizeKeys(home: string, encodedKeys: readonly string[]): Promise<void> {
  if (encodedKeys.length === 0) return;
  const keys = encodedKeys.map((encoded, index) => {
    const key = decodeBase64(encoded);
    if (!key) throw new UserError(`ssh_public_keys[${index}] of the job is not base64`);
    return key;
  });
  const directory = join(home, '.ssh');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, 'authorized_keys');
  const start = (await endsInsideLine(path)) ? '\n' : '';
  await appendFile(path, start + keys.map((key) => `${key.toString('utf8')}\n`).join(''), { mode: 0o600 });
}

/** Writes the script, whole or not at all: a link or a longer script in its place is replaced. Throws the system's error. */
export async function writeJumpPoint(path: string, script: string = jumpScript): Promise<void> {
  await writeFileAtomic(path, script, { mode: 0o644 });
}

/** The lines that a job adds to `~/.bash_profile`. They go when the files that they name go. */
export class ProfileLines {
  readonly #path: string;
  readonly #lines: string[] = [];
  #isOurs = false;

  constructor(home: string) {
    this.#path = join(home, '.bash_profile');
  }

  /** Throws the system's error. */
  async add(line: string): Promise<void> {
    const before = await textOf(this.#path);
    this.#isOurs ||= before === undefined;
    this.#lines.push(Buffer.from(line, 'utf8').toString('latin1'));
    const start = before === undefined || before === '' || before.endsWith('\n') ? '' : '\n';
    await appendFile(this.#path, `${start}${line}\n`);
  }

  /** Takes out what was added, and the file when nothing else is in it and it was not there before. Throws the system's error. */
  async remove(): Promise<void> {
    if (this.#lines.length === 0) return;
    const text = await textOf(this.#path);
    if (text === undefined) return;
    const kept = text
      .split('\n')
      .filter((line) => !this.#lines.includes(line))
      .join('\n');
    if (kept === '' && this.#isOurs) await unlink(this.#path);
    else if (kept !== text) await writeFile(this.#path, kept, 'latin1');
  }
}

async function endsInsideLine(path: string): Promise<boolean> {
  const text = await textOf(path);
  return text !== undefined && text !== '' && !text.endsWith('\n');
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'latin1');
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
