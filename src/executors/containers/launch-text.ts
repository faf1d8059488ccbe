import type { ProcessResult, ProcessSpec } from '../../execution/index.ts';
import { becomeTool, endMark } from './step-scripts.ts';

/** The longest argument or variable that Linux starts a program with, its last zero byte included (MAX_ARG_STRLEN). */
const maxStringBytes = 128 * 1024;

/** Variables that some shell keeps to itself: setting one must not end it. */
const shellVariable =
  /^(BASH.*|DIRSTACK|EUID|FUNCNAME|GROUPS|LINENO|OPTIND|PIPESTATUS|PPID|RANDOM|SECONDS|SHELLOPTS|UID)$/;

/**
 * What a shell is told to become a tool: directory, environment and arguments as text, which no other process sees. A variable whose
 * name is none for a shell is left out, as the shell around a tool on the runner's own machine does. A tool that the system would not
 * start is a result instead.
 */
export function launchText(spec: Pick<ProcessSpec, 'args' | 'command' | 'cwd' | 'env'>): Buffer | ProcessResult {
  const { args, command, cwd, env } = spec;
  const strings = [command, ...args, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)];
  if (strings.some((text) => text.includes('\0')))
    return unstartable('EINVAL', 'its arguments or variables have a zero byte');
  if (strings.some((text) => Buffer.byteLength(text) >= maxStringBytes)) {
    return unstartable('E2BIG', `one of its arguments or variables is longer than ${maxStringBytes - 1} bytes`);
  }
  const lines = [
    `cd ${quoted(cwd)} 2>/dev/null || { echo unstartable cwd >&3; exit 127; }`,
    'unset OLDPWD',
    ...Object.entries(env).flatMap(([name, value]) => (/^[A-Za-z_]\w*$/.test(name) ? [exported(name, value)] : [])),
    `set -- ${[command, ...args].map(quoted).join(' ')}`,
    becomeTool.trim(),
    endMark,
  ];
  return Buffer.from(lines.join('\n'), 'utf8');
}

function exported(name: string, value: string): string {
  const assignment = `export ${name}=${quoted(value)}`;
  return shellVariable.test(name) ? `(${assignment}) 2>/dev/null && ${assignment}` : assignment;
}

/** One word for the shell, always in quotes: `#` or `~` must not mean anything either. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function unstartable(code: string, message: string): ProcessResult {
  return { kind: 'unstartable', code, message };
}
