import { findNodeAtLocation, parseTree, printParseErrorCode, type Node, type ParseError } from 'jsonc-parser';
import { locatedError } from './located-error.ts';

export interface Position {
  /** Both from 1. */
  line: number;
  column: number;
}

/** A parsed configuration file that knows where each of its keys stands. */
export interface SourceDocument {
  value: unknown;
  /** Position of the key (or list item) at this path, spelled as in the file. */
  positionOf(path: readonly string[]): Position | undefined;
}

/**
 * Parses a file by its ending: `.yaml` and `.yml` as YAML, everything else as JSON in which comments and trailing commas are
 * allowed. Throws ConfigError with the position of the first mistake.
 */
export async function parseDocument(
  file: string,
  text: string,
  options: ParseDocumentOptions = {},
): Promise<SourceDocument> {
  const content = text.startsWith('\uFEFF') ? text.slice(1) : text;
  return isYaml(file) ? await parseYaml(file, content, options) : parseJson(file, content);
}

export interface ParseDocumentOptions {
  /** Numbers and switches of YAML come as the text they are written as: `0644`, `1e5`, `true`. @default false */
  asSpelled?: boolean;
}

export function isYaml(file: string): boolean {
  return /\.ya?ml$/i.test(file);
}

function parseJson(file: string, text: string): SourceDocument {
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true, disallowComments: false });
  const [first] = errors;
  if (text.trim() === '') throw locatedError('the configuration file is empty', { source: file });
  if (first || !root) {
    const what = first
      ? (jsonMistakes[printParseErrorCode(first.error)] ?? printParseErrorCode(first.error))
      : 'no value';
    throw locatedError(`not valid JSON: ${what}`, { source: file, ...offsetToPosition(text, first?.offset ?? 0) });
  }
  return {
    value: toValue(root),
    positionOf: (path) => {
      const node = findNodeAtLocation(root, path.map(segment));
      const place = node?.parent?.type === 'property' ? node.parent : node;
      return place && offsetToPosition(text, place.offset);
    },
  };
}

const jsonMistakes: Readonly<Record<string, string>> = {
  InvalidSymbol: 'this is neither text in quotes nor a number, true, false or null',
  InvalidNumberFormat: 'malformed number',
  PropertyNameExpected: 'a key in double quotes is expected',
  ValueExpected: 'a value is expected',
  ColonExpected: 'a colon is expected',
  CommaExpected: 'a comma is expected',
  CloseBraceExpected: 'a closing } is missing',
  CloseBracketExpected: 'a closing ] is missing',
  EndOfFileExpected: 'there is something after the end',
  UnexpectedEndOfComment: 'a comment is not closed',
  UnexpectedEndOfString: 'a text is not closed',
  UnexpectedEndOfNumber: 'malformed number',
  InvalidUnicode: 'malformed \\u escape',
  InvalidEscapeCharacter: 'malformed \\ escape',
  InvalidCharacter: 'a character that must be escaped',
};

/** Own conversion: a key such as `__proto__` must become an ordinary (unknown) key. */
function toValue(node: Node): unknown {
  if (node.type === 'array') return (node.children ?? []).map(toValue);
  if (node.type !== 'object') return node.value as unknown;
  const entries = (node.children ?? []).flatMap(({ children }) => {
    const [key, value] = children ?? [];
    return key && value ? [[String(key.value), toValue(value)] as const] : [];
  });
  return Object.fromEntries(entries);
}

function segment(part: string): string | number {
  return /^\d+$/.test(part) ? Number(part) : part;
}

function offsetToPosition(text: string, offset: number): Position {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

async function parseYaml(
  file: string,
  text: string,
  { asSpelled = false }: ParseDocumentOptions,
): Promise<SourceDocument> {
  // Only users of YAML pay for its parser.
  const { isMap, isScalar, isSeq, LineCounter, parseDocument: parse, visit } = await import('yaml');
  const lines = new LineCounter();
  const document = parse(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const [error] = document.errors;
  if (error)
    throw locatedError(`not valid YAML: ${error.message}`, { source: file, ...at(error.pos[0]), cause: error });
  if (asSpelled) {
    visit(document, {
      Scalar: (_key, node) => {
        if (typeof node.value !== 'string' && node.value !== null) node.value = node.source ?? node.value;
      },
    });
  }
  const positionOf = (path: readonly string[]): Position | undefined => {
    const parent: unknown = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
    const last = path.at(-1);
    if (isMap(parent)) {
      const pair = parent.items.find(({ key }) => isScalar(key) && String(key.value) === last);
      return isScalar(pair?.key) && pair.key.range ? at(pair.key.range[0]) : undefined;
    }
    const item: unknown = isSeq(parent) ? parent.items[Number(last)] : undefined;
    return isScalar(item) && item.range ? at(item.range[0]) : undefined;
  };
  return { value: toJs(document, file), positionOf };
}

function toJs(document: { toJS(): unknown }, file: string): unknown {
  try {
    return document.toJS() ?? {};
  } catch (error: unknown) {
    // For instance an alias that expands without end.
    throw locatedError(`not usable YAML: ${String(error)}`, { source: file, cause: error });
  }
}
