import { ConfigError } from '../lib/index.ts';
import type { AgentOption, AgentValueKind } from './agent-keys.ts';

/** In words that complete "expected …". */
const expectations: Readonly<Record<AgentValueKind, string>> = {
  switch: 'true or false',
  number: 'a whole number',
  list: 'a list of texts',
  text: 'text',
};

export function expectationOfAgentKey(kind: AgentValueKind): string {
  return expectations[kind];
}

/** A value that the original takes for false, 0 or nothing without a word: whoever wrote it meant something else. */
export function wrongAgentValue({ name, kind, schema }: AgentOption, value: unknown, source: string): ConfigError {
  const isShown = schema.sensitive !== true && kind !== 'list' && typeof value !== 'object';
  const shown = isShown ? JSON.stringify(value) : 'of another kind';
  return new ConfigError(`${source}: ${name} is ${shown}; expected ${expectations[kind]}`, { source, key: name });
}
