import { randomBytes } from 'node:crypto';
import type { FileKind, TaskFiles } from '../../tasks/types.ts';
import { askContainer, type Question } from './asking.ts';
import { filesScript } from './file-scripts.ts';
import { quoted } from './launch-text.ts';

/** One call of a function of the script, waiting for its turn. */
interface Call {
  text: string;
  resolve: (answer: { bytes: Buffer; status: string }) => void;
  reject: (error: unknown) => void;
}

/**
 * Files in the `build` container, as its user sees them. A round trip takes a tenth of a second, so what is asked for in the same
 * moment goes together.
 */
export class ContainerFiles implements TaskFiles {
  readonly #where: Pick<Question, 'containers' | 'signal'>;
  #waiting: Call[] = [];

  constructor(where: Pick<Question, 'containers' | 'signal'>) {
    this.#where = where;
  }

  async kindOf(path: string, links: 'follow' | 'tell' = 'follow'): Promise<FileKind | undefined> {
    const { bytes } = await this.#call(`kind_of ${quoted(path)} ${links}`);
    return kinds.find((kind) => kind === bytes.toString('latin1').trim());
  }

  async read(path: string, maxBytes?: number): Promise<Buffer | undefined> {
    return await this.#read('read_file', path, maxBytes);
  }

  async readOwn(path: string, maxBytes?: number): Promise<Buffer | undefined> {
    return await this.#read('read_own', path, maxBytes);
  }

  async write(path: string, content: string | Buffer, mode: number): Promise<void> {
    const { status } = await this.#call(`write_file ${quoted(path)} ${mode.toString(8)} ${printfFormat(content)}`);
    if (status !== 'ok') throw refusal(status, path, 'written');
  }

  /** Writes files of ours, mode 0600, in directories that only we can enter, each as a whole. */
  async putPrivate(files: readonly { path: string; content: string }[]): Promise<void> {
    await Promise.all(files.map(({ content, path }) => this.#put('put_private', path, content)));
  }

  /** The same unless there is one already. */
  async putNew(path: string, content: string): Promise<void> {
    await this.#put('put_new', path, content);
  }

  async makeDirectory(path: string): Promise<void> {
    const { status } = await this.#call(`make_directory ${quoted(path)}`);
    if (status !== 'ok') throw refusal(status, path, 'made');
  }

  async remove(path: string): Promise<void> {
    const { status } = await this.#call(`remove_file ${quoted(path)}`);
    if (status !== 'ok') throw refusal(status, path, 'removed');
  }

  async list(path: string): Promise<string[]> {
    const { bytes } = await this.#call(`list_directory ${quoted(path)}`);
    return bytes
      .toString('utf8')
      .split('\0')
      .filter((name) => name !== '');
  }

  async realPath(path: string): Promise<string> {
    const { bytes, status } = await this.#call(`real_path ${quoted(path)}`);
    if (status !== 'ok') throw refusal(status, path, 'resolved');
    return bytes.toString('utf8').replace(/\n$/, '');
  }

  async which(
    command: string,
    searchPath: string,
    cwd: string,
  ): Promise<{ path: string; version: string } | undefined> {
    const { bytes } = await this.#call(`find_command ${[command, searchPath, cwd].map(quoted).join(' ')}`);
    const path = bytes.toString('utf8');
    if (path === '') return undefined;
    // What is true of an image need not be true of the next one with the same name: nothing is known from other tasks.
    return { path: path.startsWith('/') ? path : `${cwd}/${path}`, version: this.#where.containers.name };
  }

  async #read(call: 'read_file' | 'read_own', path: string, maxBytes: number | undefined): Promise<Buffer | undefined> {
    const { bytes, status } = await this.#call(`${call} ${quoted(path)} ${maxBytes ?? 'all'}`);
    if (status === 'ENOENT') return undefined;
    if (status !== 'ok') throw refusal(status, path, 'read');
    return bytes;
  }

  async #put(call: 'put_private' | 'put_new', path: string, content: string): Promise<void> {
    const { status } = await this.#call(`${call} ${quoted(path)} ${printfFormat(content)}`);
    if (status !== 'ok') throw refusal(status, path, 'written');
  }

  #call(text: string): Promise<{ bytes: Buffer; status: string }> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ text, resolve, reject });
      if (this.#waiting.length === 1) setImmediate(() => void this.#send());
    });
  }

  async #send(): Promise<void> {
    const calls = this.#waiting;
    this.#waiting = [];
    const mark = `semaphore-${randomBytes(12).toString('hex')}`;
    const input = Buffer.from(calls.map(({ text }) => `${text}\ndone_with\n`).join(''), 'utf8');
    try {
      const args = [String(input.length), mark];
      const answer = await askContainer({ ...this.#where, role: 'build', script: filesScript, args, input });
      let rest = answer.stdout;
      for (const { reject, resolve } of calls) {
        const end = rest.indexOf(`\n${mark} `);
        const lineEnd = rest.indexOf('\n', end + 1);
        if (end === -1 || lineEnd === -1) {
          reject(new Error(`files in the container cannot be used: ${answer.stderr.trim() || `code ${answer.code}`}`));
          continue;
        }
        const status = rest.toString('latin1', end + mark.length + 2, lineEnd);
        resolve({ bytes: rest.subarray(0, end), status });
        rest = rest.subarray(lineEnd + 1);
      }
    } catch (error: unknown) {
      for (const { reject } of calls) reject(error);
    }
  }
}

const kinds = ['file', 'directory', 'link', 'other'] as const satisfies readonly FileKind[];

const plainBytes = /^[A-Za-z0-9 ._/:=,@+{}[\]"!#$&*()<>?^~|;\n]$/;

/** A format of `printf` that makes these bytes: a word for the shell can hold no zero byte, and not every shell any other byte. */
function printfFormat(content: string | Buffer): string {
  const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
  let format = '';
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    format += plainBytes.test(character) ? character : `\\${byte.toString(8).padStart(3, '0')}`;
  }
  return `'${format}'`;
}

function refusal(code: string, path: string, done: string): Error {
  return Object.assign(new Error(`${path} cannot be ${done} (${code})`), { code });
}
