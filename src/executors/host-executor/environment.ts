import type { EncodedVariable } from '../../protocol/ci/index.ts';
import { decodeBase64 } from './base64.ts';
import { quoteWord } from './quote-word.ts';

/** A variable with the bytes of its value. */
export interface Variable {
  name: string;
  value: Buffer;
}

export type CollectedVariables =
  | { kind: 'collected'; variables: Variable[] }
  /** The value of this one is not base64. */
  | { kind: 'undecodable'; name: string };

/** All variables of a job, sorted by the bytes of their names. Of several with one name the last counts, and `host` ones last. */
export function collectVariables(
  job: readonly EncodedVariable[],
  host: readonly { name: string; value: string }[],
): CollectedVariables {
  const values = new Map<string, Buffer>();
  for (const { name, value } of job) {
    const decoded = decodeBase64(value);
    if (!decoded) return { kind: 'undecodable', name };
    values.set(name, decoded);
  }
  for (const { name, value } of host) values.set(name, Buffer.from(value, 'utf8'));
  const variables = [...values].map(([name, value]) => ({ name, value, key: Buffer.from(name, 'utf8') }));
  variables.sort((a, b) => Buffer.compare(a.key, b.key));
  return { kind: 'collected', variables: variables.map(({ name, value }) => ({ name, value })) };
}

/** What a shell sources to have the variables. Values are bytes, not text; nothing in them is expanded. */
export function exportScript(variables: readonly Variable[]): Buffer {
  const lines = variables.map(
    ({ name, value }) =>
      `export ${Buffer.from(name, 'utf8').toString('latin1')}=${quoteWord(value.toString('latin1'))}\n`,
  );
  return Buffer.from(lines.join(''), 'latin1');
}
