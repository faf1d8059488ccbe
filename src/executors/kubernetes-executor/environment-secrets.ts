import { createHash } from 'node:crypto';
import { UserError } from '../../lib/index.ts';
import type { EncodedVariable, JobFile } from '../../protocol/ci/index.ts';
import { decodeBase64 } from '../host-executor/base64.ts';
import { exportScript, type Variable } from '../host-executor/environment.ts';

/** Where the first of the secrets is in the main container (spec CI 6.3). */
const firstDirectory = '/tmp/injected';

/** Where the others are: `/tmp/injected-2`, … */
export function injectedDirectory(index: number): string {
  return index === 0 ? firstDirectory : `${firstDirectory}-${index + 1}`;
}

/** The script that exports the variables, in the container. */
export const variablesScript = `${firstDirectory}/.env`;

/** What the container is given by secrets: each is a map of keys to bytes. */
export interface EnvironmentSecrets {
  secrets: Map<string, Buffer>[];
  /** For the path of each file, where its parts are in the container. */
  parts: ReadonlyMap<string, readonly string[]>;
}

/** A secret holds 1 MiB; room is left for what Kubernetes adds. Bytes. */
const maxSecretBytes = 1_000_000;
/** All secrets of one job, bytes: they are kept in the cluster's database, and in memory on the node. */
const maxTotalBytes = 32 * 1_000_000;
/** Longest key of a secret. */
const maxKey = 253;

/**
 * Puts variables and files into secrets: `.env` is a script that exports the variables, each file has a key that is its path in base64url.
 * Of what does not fit into one secret further ones are made, and a file that is larger is parted. Throws UserError.
 */
export function environmentSecrets(
  job: readonly EncodedVariable[],
  host: readonly { name: string; value: string }[],
  files: readonly JobFile[],
): EnvironmentSecrets {
  const script = exportScript([...decodeVariables(job), ...host.map(toVariable)]);
  if (script.length > maxSecretBytes) {
    throw new UserError(
      `the variables of the job have ${script.length} bytes; at most ${maxSecretBytes} fit into a secret`,
      {
        hint: 'Give long values to the job as files.',
      },
    );
  }
  const packer = new Packer();
  packer.add('.env', script);
  const parts = new Map<string, readonly string[]>();
  // Of several with one path the last counts.
  for (const { path, content } of new Map(files.map((file) => [file.path, file])).values()) {
    const decoded = decodeBase64(content);
    if (!decoded) throw new UserError(`the content of the file '${path}' is not base64`);
    parts.set(path, addFile(packer, keyOf(path), decoded));
  }
  return { secrets: packer.secrets, parts };
}

/** Secrets are filled one after the other. */
class Packer {
  readonly secrets: Map<string, Buffer>[] = [];
  #room = 0;
  #total = 0;

  /** Returns where it will be in the container. */
  add(key: string, bytes: Buffer): string {
    if (this.secrets.length === 0 || bytes.length > this.#room) {
      this.secrets.push(new Map());
      this.#room = maxSecretBytes;
    }
    this.secrets.at(-1)?.set(key, bytes);
    this.#room -= bytes.length;
    this.#total += bytes.length;
    if (this.#total > maxTotalBytes) {
      throw new UserError(
        `the files of the job have more than ${maxTotalBytes} bytes, which is more than secrets are for`,
        {
          hint: 'Let the job fetch large files itself.',
        },
      );
    }
    return `${injectedDirectory(this.secrets.length - 1)}/${key}`;
  }
}

function addFile(packer: Packer, key: string, content: Buffer): string[] {
  if (content.length <= maxSecretBytes) return [packer.add(key, content)];
  const paths: string[] = [];
  for (let at = 0; at < content.length; at += maxSecretBytes) {
    paths.push(packer.add(`${key}.${paths.length}`, content.subarray(at, at + maxSecretBytes)));
  }
  return paths;
}

/** Unpadded base64url of the path, as in the original; a hash where that is no key. */
function keyOf(path: string): string {
  if (path === '') throw new UserError('a file of the job has no path');
  const key = Buffer.from(path, 'utf8').toString('base64url');
  return key.length <= maxKey - 4 ? key : createHash('sha256').update(path).digest('hex');
}

/** In the order of the request, and all of them: what is exported last counts. */
function decodeVariables(encoded: readonly EncodedVariable[]): Variable[] {
  return encoded.map(({ name, value }) => {
    const decoded = decodeBase64(value);
    if (!decoded) throw new UserError(`the value of the variable '${name}' is not base64`);
    return { name, value: decoded };
  });
}

function toVariable({ name, value }: { name: string; value: string }): Variable {
  return { name, value: Buffer.from(value, 'utf8') };
}
