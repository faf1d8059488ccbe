import type * as z from 'zod';
import { ConfigError } from '../lib/index.ts';
import { locatedError } from './located-error.ts';
import { nearestKey } from './nearest.ts';
import type { Position, SourceDocument } from './source-document.ts';

/** One thing that is wrong with a server file. */
export interface ServerProblem {
  path: readonly PropertyKey[];
  /** Completes "key: …": what is expected, or what is the matter. */
  message: string;
  /** Neighbours of an unknown key or name, for the suggestion. */
  known?: readonly string[];
  /** The name or key that was not found. */
  wanted?: string;
}

/** More are not shown: the first ones usually cause the rest. */
const maxShown = 20;

/** Keys whose values never appear in a message. */
const secretKeys = new Set(['password', 'passphrase', 'private_key', 'token', 'value', 'registration_token']);

const words: Readonly<Record<string, string>> = {
  string: 'a text (in quotes, if it looks like something else)',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping (key: value)',
  record: 'a mapping (key: value)',
};

/** Translates what the schema found. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], document: SourceDocument): ServerProblem[] {
  return issues.flatMap((issue): ServerProblem[] => {
    const { path } = issue;
    const value = valueAt(document.value, path);
    switch (issue.code) {
      case 'unrecognized_keys':
        return issue.keys.map((key) => ({
          path: [...path, key],
          message: 'this key is not known here',
          wanted: key,
          known: siblings(issue),
        }));
      case 'invalid_type': {
        const expected = words[issue.expected] ?? issue.expected;
        return [{ path, message: value === undefined ? `is missing; expected ${expected}` : `expected ${expected}` }];
      }
      case 'invalid_value':
        return [
          {
            path,
            message: `expected one of ${issue.values.map((item) => (item === '' ? "''" : String(item))).join(', ')}`,
          },
        ];
      case 'too_small':
        return [
          { path, message: issue.origin === 'string' ? 'must not be empty' : `expected at least ${issue.minimum}` },
        ];
      case 'too_big':
        return [{ path, message: `expected at most ${issue.maximum}` }];
      case 'invalid_key':
        return [
          { path, message: `this key is not allowed here: ${issue.issues.map(({ message }) => message).join('; ')}` },
        ];
      default:
        return [
          {
            path,
            message:
              value === undefined && !issue.message.startsWith('is missing')
                ? `is missing; ${issue.message}`
                : issue.message,
          },
        ];
    }
  });
}

/** The schema's own list of keys, which `strict` objects put into the message (see `strict`). */
function siblings(issue: z.core.$ZodIssue): string[] {
  const at = issue.message.indexOf(knownMark);
  return at < 0 ? [] : issue.message.slice(at + knownMark.length).split(',');
}

const knownMark = 'known keys: ';

/** The `error` of an object that refuses unknown keys: it carries the known ones to `problemsOf`. */
export function knownKeys(shape: object): (issue: { code?: string | undefined }) => string | undefined {
  return (issue) => (issue.code === 'unrecognized_keys' ? `${knownMark}${Object.keys(shape).join(',')}` : undefined);
}

/** One ConfigError for all problems, each with its place; the position of the error is that of the first. */
export function toConfigError(problems: readonly ServerProblem[], document: SourceDocument, file: string): ConfigError {
  const placed = problems
    .map((problem) => ({ problem, position: positionOf(document, problem.path) }))
    .sort((a, b) => (a.position?.line ?? 0) - (b.position?.line ?? 0));
  const [first] = placed;
  if (placed.length === 1 && first) {
    const options = { source: file, ...first.position, key: dotted(first.problem.path) };
    return locatedError(describe(first.problem, document), options);
  }
  const lines = placed.slice(0, maxShown).map(({ problem, position }) => {
    const place = position ? `line ${position.line}, column ${position.column}: ` : '';
    return `  ${place}${describe(problem, document)}`;
  });
  if (placed.length > maxShown) lines.push(`  … and ${placed.length - maxShown} more`);
  return new ConfigError(`${file}: ${placed.length} problems:\n${lines.join('\n')}`, {
    source: file,
    ...first?.position,
  });
}

function describe(problem: ServerProblem, document: SourceDocument): string {
  return `${dotted(problem.path)}: ${problem.message}${shown(problem, document)}${suggestion(problem)}`;
}

function shown({ path, message, wanted }: ServerProblem, document: SourceDocument): string {
  const value = valueAt(document.value, path);
  if (value === undefined || wanted !== undefined || path.some((part) => secretKeys.has(String(part)))) return '';
  const text = JSON.stringify(value) ?? '';
  return `${message.endsWith('.') ? '' : ','} got ${text.length > 60 ? `${text.slice(0, 57)}…` : text}`;
}

function suggestion({ wanted, known }: ServerProblem): string {
  if (wanted === undefined || known === undefined) return '';
  const near = nearestName(wanted, known);
  if (near !== undefined) return `; did you mean "${near}"?`;
  return known.length === 0 || known.length > 12
    ? ''
    : `; there ${known.length === 1 ? 'is' : 'are'} ${known.join(', ')}`;
}

/** The known name that a mistyped one most likely stands for. */
export function nearestName(wanted: string, known: readonly string[]): string | undefined {
  // Dots separate sections of a key, but mean nothing in a name.
  const plain = new Map(known.map((item) => [item.replaceAll('.', '_'), item]));
  const near = nearestKey(wanted.replaceAll('.', '_'), [...plain.keys()]);
  return near === undefined ? undefined : plain.get(near);
}

/** `projects[0].templates[2].repository` */
function dotted(path: readonly PropertyKey[]): string {
  const text = path
    .map((part) => (typeof part === 'number' || /^\d+$/.test(String(part)) ? `[${String(part)}]` : `.${String(part)}`))
    .join('');
  return text === '' ? 'the file' : text.replace(/^\./, '');
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current: unknown = value;
  for (const part of path) {
    if (typeof current !== 'object' || current === null) return undefined;
    current = Reflect.get(current, part);
  }
  return current;
}

/** The key itself; for a missing key or an item that is a mapping, the first line of what contains it. */
function positionOf(document: SourceDocument, path: readonly PropertyKey[]): Position | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const parts = path.slice(0, length).map(String);
    const direct = document.positionOf(parts);
    if (direct) return direct;
    const value = valueAt(document.value, path.slice(0, length));
    const firstKey = typeof value === 'object' && value !== null ? Object.keys(value)[0] : undefined;
    const inside = firstKey === undefined ? undefined : document.positionOf([...parts, firstKey]);
    if (inside) return inside;
  }
  return undefined;
}
