import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';

export type WhichResult =
  | { kind: 'found'; path: string }
  | { kind: 'missing'; code: 'ENOENT' | 'EACCES'; searched: string };

/**
 * Finds `command` as a shell would: a name with a slash is taken as a path relative to `cwd`, any other is looked up in
 * `searchPath` (a `PATH`). Never throws; `EACCES` means that a file is there but may not be executed.
 */
export function which(command: string, searchPath: string, cwd: string): WhichResult {
  if (command.includes('/') || isAbsolute(command)) {
    const path = resolve(cwd, command);
    const code = executableProblem(path);
    return code ? { kind: 'missing', code, searched: path } : { kind: 'found', path };
  }
  let denied = false;
  for (const directory of searchPath.split(delimiter)) {
    if (directory === '') continue;
    const path = resolve(cwd, join(directory, command));
    const code = executableProblem(path);
    if (!code) return { kind: 'found', path };
    // What is in a directory that may not be entered is not there for us.
    if (code === 'EACCES' && existsSync(path)) denied = true;
  }
  return { kind: 'missing', code: denied ? 'EACCES' : 'ENOENT', searched: searchPath };
}

function executableProblem(path: string): 'ENOENT' | 'EACCES' | undefined {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found) return 'ENOENT';
    if (!found.isFile()) return 'EACCES';
    accessSync(path, constants.X_OK);
    return undefined;
  } catch {
    return 'EACCES';
  }
}
