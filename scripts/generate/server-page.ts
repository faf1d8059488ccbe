import { serverJsonSchema } from '../../src/config/index.ts';

/** What is used of a JSON Schema. */
interface Node {
  description?: string;
  type?: string | readonly string[];
  const?: string;
  enum?: readonly string[];
  minimum?: number;
  maximum?: number;
  default?: unknown;
  properties?: Readonly<Record<string, Node>>;
  required?: readonly string[];
  items?: Node;
  anyOf?: readonly Node[];
  oneOf?: readonly Node[];
  additionalProperties?: Node | boolean;
}

interface Row {
  key: string;
  node: Node;
  required: boolean;
  /** Type of the object that alone has this key. */
  only: string | undefined;
}

/** The reference of `server.yaml`: one table for each kind of object, in the order of the schema. */
export function serverPage(): string {
  const sections = [...describe('server.yaml', serverJsonSchema())];
  return `# Keys of server.yaml

This page is generated (\`npm run generate\`) from the schema in \`src/config\`; so is the [JSON Schema](../schema/server.schema.json). How a server is
used: [server.md](server.md). A **secret** is a text, \`{ file: path }\` or \`{ env: NAME }\`. Bold keys must be there.

${sections.join('\n')}`;
}

function* describe(title: string, node: Node): Generator<string> {
  const rows = rowsOf(node);
  const lines = rows.map(({ key, node: child, required, only }) => {
    const name = required ? `**\`${key}\`**` : `\`${key}\``;
    const meaning = [only === undefined ? '' : `(${only})`, meaningOf(child)].filter((part) => part !== '').join(' ');
    return `| ${name} | ${valueOf(child)} | ${defaultOf(child)} | ${meaning} |`;
  });
  yield `## ${title}\n\n| Key | Value | Default | |\n|---|---|---|---|\n${lines.join('\n')}\n`;
  for (const { key, node: child } of rows) {
    const path = title === 'server.yaml' ? key : `${title}.${key}`;
    const items = parts(child).find(({ type }) => type === 'array')?.items;
    if (items && isObject(items)) yield* describe(`${path}[]`, items);
    else if (child.properties) yield* describe(path, child);
  }
}

/** The keys of an object; of all its variants, when it has several. */
function rowsOf(node: Node): Row[] {
  const variants = node.oneOf ?? [node];
  const names = [...new Set(variants.flatMap((variant) => Object.keys(variant.properties ?? {})))];
  return names.flatMap((key) => {
    const having = variants.filter((variant) => variant.properties?.[key]);
    const child = having[0]?.properties?.[key];
    if (!child) return [];
    const merged =
      key === 'type' && variants.length > 1 ? { ...child, enum: typesOf(variants), description: 'What it is.' } : child;
    const only = having.length === variants.length ? undefined : typesOf(having).join(', ');
    return [{ key, node: merged, required: having.every((variant) => variant.required?.includes(key)), only }];
  });
}

function typesOf(variants: readonly Node[]): string[] {
  return variants.flatMap((variant) => variant.properties?.['type']?.const ?? []);
}

function isObject(node: Node): boolean {
  return node.properties !== undefined || node.oneOf !== undefined;
}

/** The alternatives of a value, without "or nothing". */
function parts(node: Node): Node[] {
  return (node.anyOf ?? [node])
    .flatMap((part) => (part.anyOf ? parts(part) : [part]))
    .filter(({ type }) => type !== 'null');
}

function valueOf(node: Node): string {
  if (node.description?.includes('Secret:')) return 'secret';
  if (node.enum) return node.enum.map((word) => (word === '' ? "`''`" : `\`${word}\``)).join(', ');
  return [...new Set(parts(node).map(kindOf))].join(' or ');
}

function kindOf(node: Node): string {
  const type = typeof node.type === 'string' ? node.type : node.type?.find((word) => word !== 'null');
  if (typeof node.type === 'object' && node.type.includes('number')) return 'text or number';
  switch (type) {
    case 'string':
      return 'text';
    case 'boolean':
      return 'true, false';
    case 'integer':
      return `whole number${bounds(node)}`;
    case 'number':
      return 'number';
    case 'array':
      return node.items && isObject(node.items) ? 'list, below' : 'list of texts';
    case 'object':
      return node.properties ? 'mapping, below' : 'mapping';
    default:
      return 'anything';
  }
}

function bounds({ minimum, maximum }: Node): string {
  if (maximum === undefined || maximum >= 2_147_483_647) return '';
  return ` ${minimum ?? 0} – ${maximum}`;
}

function defaultOf(node: Node): string {
  const { default: value } = node;
  if (value === undefined || value === '' || typeof value === 'object') return '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function meaningOf({ description = '' }: Node): string {
  return description.replace(/ ?Secret: text.*$/, '').replaceAll('|', '\\|');
}
