/** Limits of an outputs document (spec 5.13). */
const maxBytes = 256 * 1024;
const maxOutputs = 100;
const maxValueBytes = 32 * 1024;
const namePattern = /^[A-Za-z_][A-Za-z0-9_-]*$/;
const reasons = new Set(['sensitive', 'too_large', 'invalid_name', 'limit']);

/** What is wrong with a document of outputs, undefined when it is acceptable. */
export function checkOutputs(text: string): string | undefined {
  if (Buffer.byteLength(text) > maxBytes) return `more than ${maxBytes} bytes`;
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return 'not JSON';
  }
  if (!isObject(document)) return 'not an object';
  const { values = {}, skipped = {} } = document;
  if (!isObject(values) || !isObject(skipped)) return '"values" and "skipped" must be objects';
  const entries = Object.entries(values);
  if (entries.length > maxOutputs) return `more than ${maxOutputs} outputs`;
  const badName = entries.find(([name]) => !namePattern.test(name))?.[0];
  if (badName !== undefined) return `invalid name "${badName.slice(0, 40)}"`;
  const tooLarge = entries.find(([, value]) => Buffer.byteLength(JSON.stringify(value)) > maxValueBytes)?.[0];
  if (tooLarge !== undefined) return `"${tooLarge}" is larger than ${maxValueBytes} bytes`;
  return Object.values(skipped).every((reason) => reasons.has(String(reason)))
    ? undefined
    : 'unknown reason in "skipped"';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
