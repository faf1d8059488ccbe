import { agentKeyTable, serveKeyTable, type AgentOption } from '../../src/config/index.ts';

type Row = Pick<AgentOption, 'kind' | 'schema'> & { name: string; variable?: string };

/** `docs/agent-options.md`: every option of `agent start` and `agent serve`. */
export function agentOptionsPage(): string {
  const { options } = agentKeyTable();
  const own = options.filter(({ schema }) => schema.own === true);
  const kubernetes = options.filter(({ name }) => name.startsWith('kubernetes-'));
  const usual = options.filter((option) => !own.includes(option) && !kubernetes.includes(option));
  return `# Options of the agent

This page is generated (\`npm run generate\`) from the schemas in \`src/config\`; so is the
[JSON Schema](../schema/agent.config.schema.json) of the file. What the agent is: [agent.md](agent.md).

## \`agent start\`

Each option is a flag (\`--endpoint\`), a variable (\`SEMAPHORE_AGENT_ENDPOINT\`) and a key of the file (\`endpoint\`). **A flag wins over the
variable, that over the file, and the file over the default.** An empty variable is none.

The file is named by \`--config-file\` (or \`--config\`), by nothing else. It is YAML (\`.yaml\`, \`.yml\`) or JSON (\`.json\`, comments allowed); the other
formats of the original (TOML, INI, properties, HCL, env) are refused with a word about it. Keys are matched without regard to case; an unknown
one ends the agent: \`Unrecognized option '…'. Exiting...\`. Variables that are no option mean nothing.

| Value | Flag | Variable | File |
|---|---|---|---|
| text | \`--name value\`, \`--name=value\` | as it is | text, number or switch, as it is spelled |
| true, false | \`--name\`, \`--name=false\` | \`1 t T true TRUE True\`, \`0 f F false FALSE False\` | the same, or \`true\`, \`false\` |
| number | decimal digits | decimal digits | number, or digits as text |
| list | comma separated; an item that holds a comma in double quotes (\`"A=1,2"\`, with \`""\` for a quote in it); may be given again | separated by **whitespace**: \`A=1 B=2\` | list of texts, or one text that is split at whitespace |

What is neither is refused and named: with exit code 2 when it stands in a flag, 1 in a variable or the file. (The original takes such a
value in a variable or the file for \`false\` or 0 without a word.) The checks come in the order of the original: file, keys, \`job-id\`, \`upload-job-logs\`, \`endpoint\`,
\`token\`, the time-outs, \`env-vars\`, \`files\`, labels, name, images.

\`env-vars\` are parted at the first \`=\`: values may hold more of them. A name that is a URL or begins with \`/\` may be of any length.

${table(usual)}

### Additions

Unknown to the original, which refuses a file that has them.

${table(own)}

### Kubernetes

What they do together: [jobs in Kubernetes pods](agent-kubernetes.md).

${table(kubernetes)}

## \`agent serve\`

Flags only: no variables, no file.

${table(serveKeyTable())}

## Variables of the agent itself

| Variable | |
|---|---|
| \`SEMAPHORE_AGENT_LOG_FILE_PATH\` | The file of the agent's log. [default: \`agent_log\` in \`TMPDIR\`, else \`/tmp\`] |
| \`SEMAPHORE_AGENT_LOG_LEVEL\` | \`panic\`, \`fatal\`, \`error\`, \`warn\` (\`warning\`), \`info\`, \`debug\`, \`trace\`. [default: \`info\`] |
| \`SEMAPHORE_AGENT_LOGS_COMPRESSION_SIZE\` | Job logs from this size on, bytes, are compressed before they are uploaded; 1 MiB to 1 GiB. [default: 100 MiB] |
| \`HTTP_PROXY\`, \`HTTPS_PROXY\`, \`NO_PROXY\` | The way to servers. |
| \`HOME\`, \`PATH\` | Home directory of jobs; where \`bash\` and \`artifact\` are looked for. |
`;
}

function table(rows: readonly Row[]): string {
  const hasVariables = rows.some(({ variable }) => variable !== undefined);
  const lines = rows.map(({ name, kind, schema, variable }) => {
    const cells = [`\`${name}\``, kindText(kind, schema.enum), defaultText(schema), schema.description ?? ''];
    if (hasVariables) cells.splice(3, 0, `\`${variable ?? ''}\``);
    return `| ${cells.join(' | ')} |`;
  });
  return hasVariables
    ? `| Option | Value | Default | Variable | |\n|---|---|---|---|---|\n${lines.join('\n')}`
    : `| Flag | Value | Default | |\n|---|---|---|---|\n${lines.join('\n')}`;
}

function kindText(kind: Row['kind'], words: readonly string[] | undefined): string {
  if (words) return words.map((word) => `\`${word}\``).join(', ');
  return kind === 'switch' ? 'true, false' : kind;
}

function defaultText({ default: value, defaultText: text }: Row['schema']): string {
  if (text !== undefined) return text;
  return value === '' || value === undefined ? '' : `\`${JSON.stringify(value).replaceAll('"', '')}\``;
}
