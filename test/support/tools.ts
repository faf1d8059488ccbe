import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where a tool is: on PATH, or where a normal user's PATH does not look (sshd). */
export function toolPath(tool: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return directories
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, tool))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/**
 * True when the tool is here. When it is missing: throws where `CI` is set, because a test that is left out there looks like one
 * that passed; elsewhere prints a loud line and returns false, for `it.runIf(needs('tool'))`.
 */
export function needs(tool: string): boolean {
  if (toolPath(tool) !== undefined) return true;
  const text = `${tool} is not installed: its tests are not run. \`npm test\` says how to get it.`;
  if (process.env.CI) throw new Error(text);
  process.stderr.write(`\n!!! ${text}\n\n`);
  return false;
}
