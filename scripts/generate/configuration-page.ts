import { expectationOf, runnerKeyTable, type ConfigKey } from '../../src/config/index.ts';

/** `docs/configuration.md`: how a configuration is found and read, and every key. */
export function configurationPage(): string {
  const { keys, withVariable } = runnerKeyTable();
  const used = keys.filter(({ schema }) => schema.unused === undefined && schema.unsupported === undefined);
  const executor = keys.filter(({ dotted }) => dotted.startsWith('runner.executor.'));
  const unused = keys.filter((key) => !used.includes(key) && !executor.includes(key));
  const objects = withVariable.filter(({ schema }) => schema.properties !== undefined);
  const own = used.filter(({ schema }) => schema.own === true);
  const runner = used.filter(({ dotted, schema }) => /^runner\.(?!executor\.)/.test(dotted) && schema.own !== true);
  const host = used.filter(({ dotted }) => !dotted.startsWith('runner.'));
  return `${intro}
## The runner

${table(runner)}

Also: \`SEMAPHORE_RUNNER_REGISTRATION_TOKEN\` holds the registration token itself; it is not a key of the file.

## Additions of this runner

Unknown to the original, which ignores them.

${table(own)}

## The machine

${table(host)}

## Executors

Tasks run on the runner's machine (\`local\`), or each in [containers or a pod of its own](runner-containers.md).

${objects.map(({ dotted, schema }) => `\`${schema.env}\` sets \`${dotted}\` as one JSON object; the variables below override its parts.`).join('\n')}

${table(executor)}

## Accepted, without effect

A file that serves the original's server or runner loads here too. These keys are checked, and nothing else happens; where somebody
would expect an effect, a warning says that there is none. All other keys of the original's server pass without a word.

| Key | Variable | Why |
|---|---|---|
${unused.map(({ dotted, schema }) => `| ${code(dotted)} | ${code(schema.env)} | ${schema.unused ?? schema.unsupported ?? ''} |`).join('\n')}
`;
}

const intro = `# Configuration of a runner

This page is generated (\`npm run generate\`) from the schema in \`src/config\`; so are the
[JSON Schema](../schema/runner.config.schema.json) and the [example](../runner.config.example.json).
\`semaphore config show\` checks a configuration and tells where each value comes from.

## Where it comes from

A command line flag wins over an environment variable, that over the file, and the file over the default.

The file is the one named by \`--config\`, else by \`SEMAPHORE_CONFIG_PATH\`, else the first of \`config.json\`, \`config.yaml\` and
\`config.yml\` in the current directory, in \`/usr/local/etc/semaphore\` and in \`/etc/semaphore\`, else the one that \`runner setup\` or
\`runner register\` used last. With \`--no-config\` no file is read.

## The file

* JSON, in which comments and trailing commas are allowed; or YAML, when the name ends in \`.yaml\` or \`.yml\`.
* Keys are matched without regard to case. \`null\` means "not set", for a section too.
* An unknown key gives a warning with the nearest known one; a wrong value ends the command with file, line, key and expectation.
* For an editor's help add \`"$schema": "…/schema/runner.config.schema.json"\`.
* Numbers marked * keep the original's rule that 0 stands for the default. \`false\` and \`""\` are values, not "not set".
* Paths may be relative to the directory the command is started in.

A file that holds \`runner.token\` should be readable by its owner only (mode 0600); commands that write it see to that.

## Environment variables

| Kind | Written as |
|---|---|
| text | as it is |
| number | decimal digits; empty counts as not set |
| switch | \`1\`, \`true\` or \`yes\` in any case; anything else is off |
| list | a JSON list: \`SEMAPHORE_RUNNER_TAGS='["gpu","eu"]'\`; empty counts as not set |
| map or object | a JSON object: \`SEMAPHORE_ENV_VARS='{"A":"1"}'\`; empty counts as not set |

Variables that hold secrets (\`SEMAPHORE_RUNNER_TOKEN\`, \`SEMAPHORE_RUNNER_REGISTRATION_TOKEN\`, and those of a server) are removed from
the process's environment as soon as they are read, so that no task can inherit them.

Settings of the program itself: \`SEMAPHORE_LOG_LEVEL\`, \`SEMAPHORE_LOG_FORMAT\`, \`SEMAPHORE_DEBUG_FILTER\` (see \`semaphore runner start --help\`),
and \`HTTP_PROXY\`, \`HTTPS_PROXY\`, \`NO_PROXY\`.
`;

function table(keys: readonly ConfigKey[]): string {
  const rows = keys.map(({ dotted, schema }) => {
    const variable = schema.env === undefined ? (schema.noEnv ?? '') : code(schema.env);
    const star = schema.zeroIsDefault !== undefined ? '*' : '';
    return `| ${code(dotted)} | ${kindOf({ dotted, schema, path: [] })}${star} | ${defaultOf(schema)} | ${variable} | ${schema.description ?? ''} |`;
  });
  return `| Key | Value | Default | Variable | |\n|---|---|---|---|---|\n${rows.join('\n')}`;
}

function kindOf({ schema }: ConfigKey): string {
  if (schema.enum) return schema.enum.map(code).join(', ');
  if (schema.additionalProperties?.properties) return 'map of objects';
  const words: Readonly<Record<string, string>> = {
    string: 'text',
    boolean: 'true, false',
    array: 'list of texts',
    object: 'map of texts',
  };
  return words[schema.type ?? ''] ?? expectationOf(schema).replace(/^a /, '');
}

function defaultOf({ default: value, defaultText }: ConfigKey['schema']): string {
  if (defaultText !== undefined) return defaultText;
  return value === undefined ? '' : code(JSON.stringify(value));
}

function code(text: string | undefined): string {
  return text === undefined ? '' : `\`${text}\``;
}
