import type { TaskPlace } from './types.ts';

/** Where a tool that is missing is to be installed, in a hint: for people, and for `hintFor` to say it of another place. */
export const onTheMachine = "on the runner's machine";

/** A hint for a task that ran in `place`. */
export function hintFor(hint: string, place: Pick<TaskPlace, 'toolsAt'> | undefined): string {
  return place ? hint.replaceAll(onTheMachine, place.toolsAt) : hint;
}
