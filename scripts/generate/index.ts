import { agentJsonSchema, serverJsonSchema } from '../../src/config/index.ts';
import { agentOptionsPage } from './agent-options-page.ts';
import { commandsPage } from './commands-page.ts';
import { configurationPage } from './configuration-page.ts';
import { exampleConfig } from './example-config.ts';
import { failuresPage } from './failures-page.ts';
import { runnerSchema } from './runner-schema.ts';
import { serverPage } from './server-page.ts';

/** Everything that is made from the code, by path from the root of the repository. */
export function generatedFiles(): Readonly<Record<string, string>> {
  return {
    'schema/runner.config.schema.json': json(runnerSchema()),
    'schema/agent.config.schema.json': json(agentJsonSchema()),
    'schema/server.schema.json': json(serverJsonSchema()),
    'docs/configuration.md': configurationPage(),
    'docs/agent-options.md': agentOptionsPage(),
    'docs/commands.md': commandsPage(),
    'docs/failures.md': failuresPage(),
    'docs/server-file.md': serverPage(),
    'runner.config.example.json': exampleConfig(),
  };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
