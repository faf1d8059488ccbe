import { runnerKeyTable, type SchemaNode } from '../../src/config/index.ts';

/** `runner.config.example.json`: every key that has an effect, explained; what has no sensible example is commented out. */
export function exampleConfig(): string {
  const { root } = runnerKeyTable();
  return `// All keys of a runner's configuration. Copy what you need: everything but web_host may be left out.
// YAML works as well. Reference: docs/configuration.md
${objectLines(root.properties ?? {}, '', undefined).join('\n')}
`;
}

function objectLines(
  properties: Readonly<Record<string, SchemaNode>>,
  indent: string,
  path: string | undefined,
): string[] {
  const inner = `${indent}  `;
  const entries = Object.entries(properties).filter(([, node]) => hasEffect(node));
  const active = entries.filter(([name, node]) => isActive(node, dotted(path, name)));
  const last = active.at(-1)?.[0];
  const lines = entries.flatMap(([name, node]) => {
    const key = dotted(path, name);
    const comma = name === last ? '' : ',';
    const notes =
      node.description === undefined ? [] : [`${inner}// ${node.description}${node.env ? ` ${node.env}` : ''}`];
    if (node.properties) {
      const [first = '', ...rest] = objectLines(node.properties, inner, key);
      return [...notes, `${inner}"${name}": ${first.trim()}`, ...rest.slice(0, -1), `${rest.at(-1) ?? ''}${comma}`];
    }
    const value = compact(node.example ?? node.default ?? placeholder(node));
    return [
      ...notes,
      `${inner}${isActive(node, key) ? '' : '// '}"${name}": ${value}${isActive(node, key) ? comma : ','}`,
    ];
  });
  return [`${indent}{`, ...lines, `${indent}}`];
}

/** Kept out of the example's effect: these exclude others, or mean something only on some machines. */
const inactive = new Set([
  'runner.token',
  'runner.registration_token_file',
  'runner.private_key_file',
  'runner.webhook',
  'runner.project_id',
  'runner.connection.server_ca_cert_file',
  'runner.cleanup.max_age_days',
  'runner.cleanup.max_size',
  'ssh.known_hosts_file',
  'process.user',
]);

function isActive(node: SchemaNode, key: string): boolean {
  return (
    !inactive.has(key) && (node.properties !== undefined || node.example !== undefined || node.default !== undefined)
  );
}

function hasEffect(node: SchemaNode): boolean {
  if (node.unused !== undefined || node.unsupported !== undefined) return false;
  return node.properties === undefined || Object.values(node.properties).some(hasEffect);
}

function placeholder(node: SchemaNode): unknown {
  if (node.type === 'integer') return 1000;
  return node.type === 'array' ? [] : '…';
}

/** JSON on one line, with the spaces people write. */
function compact(value: unknown): string {
  return JSON.stringify(value, undefined, 1)
    .replaceAll(/\n\s*/g, ' ')
    .replaceAll(/\[ | \]/g, (bracket) => bracket.trim());
}

function dotted(path: string | undefined, name: string): string {
  return path === undefined ? name : `${path}.${name}`;
}
