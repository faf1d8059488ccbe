/**
 * Parses what this program itself wrote where nobody else can write (a sealed or private file). What comes from anywhere
 * else passes a schema instead. Throws SyntaxError.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- whoever calls says what was written
export function parseOwnJson<Value>(text: string): Value {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it was a Value when it was written
  return JSON.parse(text) as Value;
}
