/** One option of a command line, with the argument that belongs to it; `name` is undefined for what is none. */
export interface Option {
  name: string | undefined;
  value: string | undefined;
  /** As they were given. */
  tokens: readonly string[];
}

/** Options that say what a plan is about. Terraform refuses them beside a plan that has been made. */
export const planningOptions: ReadonlySet<string> = new Set([
  'destroy',
  'exclude',
  'exclude-file',
  'refresh',
  'refresh-only',
  'replace',
  'target',
  'target-file',
  'var',
  'var-file',
]);

/** Options without a value, or with one after "=" only. */
const flags: ReadonlySet<string> = new Set([
  'auto-approve',
  'compact-warnings',
  'destroy',
  'detailed-exitcode',
  'input',
  'json',
  'lock',
  'no-color',
  'refresh',
  'refresh-only',
]);

/** Takes a command line of the Terraform family apart: `-name`, `--name`, `-name=value`, `-name value`. */
export function splitOptions(args: readonly string[]): Option[] {
  const options: Option[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const token = args[index] ?? '';
    const match = /^--?([a-z][a-z0-9-]*)(?:=([^]*))?$/.exec(token);
    if (!match) {
      options.push({ name: undefined, value: undefined, tokens: [token] });
      continue;
    }
    const [, name = '', attached] = match;
    const next = args[index + 1];
    const takesNext = attached === undefined && !flags.has(name) && next !== undefined && !next.startsWith('-');
    options.push({ name, value: takesNext ? next : attached, tokens: takesNext ? [token, next] : [token] });
    if (takesNext) index += 1;
  }
  return options;
}

/** The inverse of `splitOptions`. */
export function joinOptions(options: readonly Option[]): string[] {
  return options.flatMap(({ tokens }) => tokens);
}
