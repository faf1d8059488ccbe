import type { CommandTransport } from '../shell-session/index.ts';

/** What is typed at once, bytes. Words around it are short; a terminal takes lines of 4095. */
const maxPieceBytes = 3000;
const variable = 'SEMAPHORE_AGENT_COMMAND';

/**
 * Types the text of a command into the shell, for one that shares no files with us: the shell keeps it in a variable, in pieces, and sources
 * it from there. No line comes near the limit of a terminal, whatever the size of the command; nothing is written to a disk; and nothing
 * but bash is needed: the pieces are quoted as `$'…'`, every byte that means anything to a shell as its octal number. The variable is an
 * array, which is never exported, also with `set -a`.
 */
export class TypedTransport implements CommandTransport {
  async place(text: string, type: (line: string) => Promise<void>): Promise<string> {
    let isFirst = true;
    for (const piece of pieces(Buffer.from(text, 'utf8'))) {
      await type(`${variable}${isFirst ? '' : '+'}=($'${piece}')`);
      isFirst = false;
    }
    return `<({ \\builtin printf %s "\${${variable}[@]}"; } 2>/dev/null)`;
  }

  remove(): Promise<void> {
    return Promise.resolve();
  }
}

/** At least one. */
function* pieces(bytes: Buffer): Generator<string> {
  let piece = '';
  for (const byte of bytes) {
    if (piece.length >= maxPieceBytes) {
      yield piece;
      piece = '';
    }
    const character = String.fromCharCode(byte);
    piece += /[A-Za-z0-9 _./,:=+@%-]/.test(character) ? character : `\\${byte.toString(8).padStart(3, '0')}`;
  }
  yield piece;
}
