/** Somebody else's container has the name that was asked for. */
export const nameIsTaken = /container name ".*" is already in use/;
/** The image has no such program. */
export const noSuchProgram = /executable file not found|exec: "bash": .*no such file or directory/;

/** What compose and docker say on the way, and of how the shell has ended. */
const chatter =
  /^(?:Creating|Starting|Recreating|Pulling|Removing|Stopping) |^WARNING: |level=warning|^(?:ERROR: )?\d*$|^\s*(?:Container|Network|Volume) \S+ +\w+$/;

/**
 * Why there is no shell (spec CI 5.6). `reason` is what the session knows, `said` what compose and docker have said, of which the line that
 * tells most is taken when the command has ended.
 */
export function startFailure(reason: string, said: string): string {
  const lines = said
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => !chatter.test(line));
  const known = lines.find((line) => noSuchProgram.test(line) || nameIsTaken.test(line));
  return known ?? (reason.startsWith('the shell ended') ? lines.at(-1) : undefined) ?? reason;
}
