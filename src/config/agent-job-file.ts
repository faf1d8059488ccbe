import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { codeOf, messageOf, UserError } from '../lib/index.ts';
import { parseDocument } from './source-document.ts';

export interface JobFile {
  /** As parsed: nobody has looked whether it is a job. */
  value: unknown;
  spelling: 'json' | 'yaml';
}

/**
 * Reads the job of `agent run` (spec CI 1.9): JSON when the name ends in `.json`, otherwise YAML, whose numbers and switches stay as
 * they are written, so that `mode: 0644` needs no quotes. `-` is standard input. Throws UserError.
 */
export async function readJobFile(path: string): Promise<JobFile> {
  const shown = path === '-' ? 'standard input' : path;
  let text: string;
  try {
    text = path === '-' ? await standardInput() : await readFile(path, 'utf8');
  } catch (error: unknown) {
    throw new UserError(`the job ${shown} cannot be read: ${messageOf(error)}`, { hint: hintFor(error), cause: error });
  }
  const spelling = extname(path).toLowerCase() === '.json' ? 'json' : 'yaml';
  // The parser goes by the name.
  const { value } = await parseDocument(spelling === 'json' ? shown : `${shown}.yaml`, text, { asSpelled: true }).catch(
    (error: unknown) => {
      throw new UserError(messageOf(error).replace(`${shown}.yaml`, shown), { cause: error });
    },
  );
  return { value, spelling };
}

function hintFor(error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return 'Give the path of a job file; the installation has some in examples/agent.';
    case 'EISDIR':
      return 'Give the file itself, not its directory.';
    default:
      return 'Check who may read it.';
  }
}

async function standardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}
