import { randomBytes } from 'node:crypto';

/**
 * The words that a session types into its shell, and the marks by which the shell answers.
 *
 * A mark is SOH (byte 1), the session's number, one letter, a nonce for some, and a line end. It goes to `/dev/tty`, because a job may
 * have redirected the shell's standard output, and it is made of digits and capitals, because a job may have told the terminal to show
 * nothing else (`stty olcuc`).
 *
 * Whatever is typed begins like `opening` says. So when it is shown – by the terminal (`stty echo`), by the line editor, by `set -v` –
 * it is recognised and cut out of the output. The braces and where they lead to keep it from `set -x` and traps from speaking in
 * it. `\builtin` and `\command` pass by aliases and functions. The space in front keeps it out of the history of shells that are set
 * up like that.
 *
 *     I  something that we have typed begins
 *     R  the shell has been set up; with its pid, and with the version of bash, "" for another shell
 *     P  the shell is about to show its prompt; with its pid
 *     S  a command begins; with the flags of the shell and where `set -x` writes to
 *     E  a command has ended; with its exit code and the pid of the shell
 *
 * The pids (as the shell itself sees them) tell it from another shell that a command has started at the same terminal, and that has its
 * variables or reads what we type.
 */
export type MarkKind = 'I' | 'R' | 'P' | 'S' | 'E';

/** Before every mark. */
export const markByte = 1;

/** 20 digits that nobody guesses. */
export function makeNumber(): string {
  return randomBytes(8).readBigUInt64BE().toString().padStart(20, '0');
}

/** How whatever is typed begins, after a space. */
export function opening(session: string): string {
  return `{ \\builtin printf '\\001${session}`;
}

const closing = '} >/dev/null 2>&1';

function print(session: string, mark: string): string {
  return `${opening(session)}${mark}\\n'`;
}

/** A line that is no command of the job's. */
export function ownLine(session: string, line: string): string {
  return ` ${print(session, 'I')} >/dev/tty; ${line}; ${closing}\n`;
}

/**
 * Sets up the shell; may be typed twice. `IGNOREEOF`, because the end of input that is meant for a command that reads
 * may come to the shell instead when the two miss each other. The shell's history is not written to the user's file. Another shell than
 * bash must come through as far as to the mark.
 */
export function setUpLine(session: string, spareDescriptors: readonly number[]): string {
  const close = spareDescriptors.map((fd) => ` ${fd}<&-`).join('');
  return ownLine(
    session,
    `\\builtin export PS1=''; \\builtin unset HISTFILE; IGNOREEOF=3; \\builtin bind 'set enable-bracketed-paste off'; ` +
      `\\command stty -echo; case "$BASH_VERSION" in ?*) \\exec${close} ;; esac; \\builtin cd ~ || \\builtin :; \\command printf '\\001${session}R%s %s\\n' "$$" "$BASH_VERSION" >/dev/tty`,
  );
}

/**
 * Adds the hook to what the user has bash do before its prompt. As an element far behind, it outlives `PROMPT_COMMAND=…`; before
 * bash 5.1 there are no elements. Typed for itself: where the variable is read-only, the shell drops the line. Asking for the
 * jobs keeps `[1]+ Done …` of one command out of the next one's output.
 */
export function hookLine(session: string): string {
  const hook = `${print(session, 'P%d')} "$$" >/dev/tty; \\builtin jobs; ${closing}`.replaceAll("'", `'\\''`);
  return ownLine(
    session,
    `\\builtin test "$((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1]))" -ge 501 && PROMPT_COMMAND[99]='${hook}' || ` +
      `case "$PROMPT_COMMAND" in *${session}*) ;; *) PROMPT_COMMAND='${hook}'"\${PROMPT_COMMAND:+; $PROMPT_COMMAND}" ;; esac`,
  );
}

/** Runs a command. `operand` is what the shell sources, quoted for it. */
export function startLine(session: string, nonce: string, operand: string): string {
  return (
    ` ${print(session, `S${nonce} %s`)} "$- \${BASH_XTRACEFD-}" >/dev/tty; \\builtin jobs; ${closing}; ` +
    `\\builtin . ${operand}\n`
  );
}

/** Asks for the exit code of what ran last. */
export function endLine(session: string, nonce: string): string {
  return ` ${print(session, `E${nonce} %d %d`)} "$?" "$$" >/dev/tty; ${closing}\n`;
}

/** A word that the shell takes as it is. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
