import { isAbsolute, relative, resolve } from 'node:path/posix';
import { TaskProblem } from './problem.ts';

/** `path` below `root`, absolute. Throws TaskProblem when it leads out of it; `what` names it. */
export function inside(root: string, path: string, what: string): string {
  const full = resolve(root, path);
  const way = relative(root, full);
  if (way === '..' || way.startsWith('../') || isAbsolute(way)) {
    throw new TaskProblem(
      'prepare',
      `${what} "${path}" leads out of the repository`,
      'Give a path inside the repository.',
    );
  }
  return full;
}
