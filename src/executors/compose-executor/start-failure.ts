/** Somebody else's container has the name that was asked for. */
export const nameIsTaken = /container name ".*" is already in use/;
/** The image has no such program. */
export const noSuchProgram = /executable file not found|exec: "bash": .*no such file or directory/;

/** What compose and docker say on the way, and of how the shell has ended. */
const chatter =
  /^(?:Creating|Starting|Recreating|Pulling|Removing|Stopping) |^(?:ERROR: )?\d*$|^\s*Container \S+ +\w+$/;

/** The line of what compose and docker have said that tells why there is no shell; undefined when none does (spec CI 5.6). */
export function startFailure(text: string): string | undefined {
  const lines = text
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => !chatter.test(line));
  return lines.find((line) => noSuchProgram.test(line) || nameIsTaken.test(line)) ?? lines.at(-1);
}
