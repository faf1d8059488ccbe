/**
 * Values that programs print all the time. Masking them would make a log unreadable and hide nothing: whoever wants to guess
 * tries them first.
 */
const common = new Set(
  [
    'true false null none nil undefined nan empty',
    'yes no on off enable enabled disable disabled',
    'default auto always never all any',
    'root admin administrator user guest test',
    'localhost 127.0.0.1 0.0.0.0 http https',
    'info debug error warn warning',
    'main master dev development staging prod production',
  ].flatMap((line) => line.split(' ')),
);

/**
 * Whether a secret is looked for in texts at all: white space around it aside, it has `minLength` characters, is none of the
 * words that stand in every log, and not one sign again and again (a ruler).
 */
export function worthMasking(value: string, minLength: number): boolean {
  const text = value.trim();
  if (text.length === 0 || text.length < minLength) return false;
  return !common.has(text.toLowerCase()) && !/^([^\p{L}\p{N}])\1*$/u.test(text);
}

/** What OpenSSH, PEM and PuTTY write around a key: the same in everybody's, so no secret. */
const publicLine =
  /^(?:-----(?:BEGIN|END) [A-Z0-9 ]+-----|(?:PuTTY-User-Key-File-\d|Encryption|Public-Lines|Private-Lines|Key-Derivation|Argon2-\w+|Proc-Type|DEK-Info): .*)$/;

/** The lines of a secret that hold something of it, without white space around them. */
export function secretLines(value: string): string[] {
  return value
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !publicLine.test(line));
}
