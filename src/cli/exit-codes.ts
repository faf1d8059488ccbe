/** The exit codes of every command; the table for users is `docs/exit-codes.md`. */
export const exitCodes = {
  ok: 0,
  /** The program itself is wrong. */
  unexpected: 1,
  /** Usage or configuration. */
  usage: 2,
  /** The server cannot be reached, or refused the request. */
  server: 3,
  /** The server refused the token. */
  token: 4,
  /** Ended by a second Ctrl-C, after cancelling tasks. */
  interrupted: 130,
  /** Ended by a second SIGTERM, after cancelling tasks. */
  terminated: 143,
} as const;
