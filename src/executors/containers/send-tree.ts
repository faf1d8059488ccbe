import { spawn } from 'node:child_process';
import { messageOf, UserError } from '../../lib/index.ts';
import { askContainer, type Question } from './asking.ts';

/** How much of a directory is on its way at a time, bytes: that much is held in memory. */
const pieceBytes = 8 * 1024 * 1024;

/** Keeps a piece; again is as good as once. Arguments: file, bytes. */
const keepScript = String.raw`
  umask 077
  mkdir -p "${'${1%/*}'}" && head -c "$2" >"$1.new" && mv -f "$1.new" "$1"
`;

/** Unpacks the pieces, unless that was done. Arguments: directory of the pieces, where they belong. */
const unpackScript = String.raw`
  umask 022
  [ -d "$1" ] || exit 0
  mkdir -p "$2" || exit
  number=1
  while [ -e "$1/piece.$number" ]; do
    cat "$1/piece.$number" || exit
    number=$((number + 1))
  done | tar -x -o -f - -C "$2" || exit
  rm -rf "$1"
`;

export interface SendTreeOptions extends Pick<Question, 'containers' | 'role' | 'signal'> {
  /** Directory on the machine of the runner. */
  from: string;
  /** Directory in the container, which is made. */
  to: string;
  /** For the pieces on their way; unique. */
  scratch: string;
}

/**
 * Brings a directory of the runner's machine into a container, with everything below it. Links come as links: what they lead to outside
 * of it does not come. Throws UserError.
 */
export async function sendTree(options: SendTreeOptions): Promise<void> {
  const { from, scratch, to, ...where } = options;
  let number = 0;
  const keep = async (piece: Buffer): Promise<void> => {
    number += 1;
    const args = [`${scratch}/piece.${number}`, String(piece.length)];
    await require({ ...where, script: keepScript, args, input: piece }, from);
  };
  let pending: Buffer[] = [];
  let size = 0;
  for await (const bytes of packed(from, where.signal)) {
    pending.push(bytes);
    size += bytes.length;
    if (size < pieceBytes) continue;
    const all = Buffer.concat(pending);
    await keep(all.subarray(0, pieceBytes));
    pending = [all.subarray(pieceBytes)];
    size = all.length - pieceBytes;
  }
  if (size > 0) await keep(Buffer.concat(pending));
  await require({ ...where, script: unpackScript, args: [scratch, to] }, from);
}

async function require(question: Question, from: string): Promise<void> {
  const answer = await askContainer(question);
  if (answer.code === 0) return;
  throw new UserError(
    `${from} cannot be brought into the container: ${answer.stderr.trim() || `code ${answer.code}`}`,
    {
      hint: 'The images need tar, and /workspace room for all of it.',
    },
  );
}

/** The directory as a tar archive. Throws UserError where `tar` fails. */
async function* packed(from: string, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' };
  const child = spawn('tar', ['-c', '-f', '-', '-C', from, '.'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const stop = (): void => void child.kill('SIGKILL');
  signal?.addEventListener('abort', stop, { once: true });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4096)));
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  ended.catch(() => undefined);
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a stream without an encoding gives buffers
    for await (const bytes of child.stdout) yield bytes as Buffer;
    const code = await ended;
    signal?.throwIfAborted();
    // 1: a file changed while it was read, as those of a repository in use do.
    if (code !== 0 && code !== 1) throw unreadable(from, said.trim().split('\n').at(-1) ?? '');
  } catch (error: unknown) {
    if (error instanceof UserError || signal?.aborted) throw error;
    throw unreadable(from, messageOf(error));
  } finally {
    signal?.removeEventListener('abort', stop);
    stop();
  }
}

function unreadable(from: string, why: string): UserError {
  return new UserError(`${from} cannot be read: ${why}`, {
    hint: 'The runner needs tar, and the right to read all of a local repository.',
  });
}
