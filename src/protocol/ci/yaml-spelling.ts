/** The one number of a job request; every other scalar is a text. */
const numberKey = 'max_size_in_bytes';

/**
 * A job request that was written as YAML, in the shape of the JSON (spec CI 4.3): the files are called `file` there (`files` is taken,
 * too), and a text may be written without quotes even when it looks like a number, as `mode: 0644` does. Whoever parses the YAML
 * best leaves scalars as they are spelled.
 */
export function fromYamlSpelling(yaml: unknown): unknown {
  const request = scalarsAsText(yaml);
  if (!isMapping(request) || request['file'] === undefined) return request;
  const { file, files, ...rest } = request;
  return { ...rest, files: Array.isArray(file) && Array.isArray(files) ? [...files, ...file] : (file ?? files) };
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function scalarsAsText(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(scalarsAsText);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (!isMapping(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key, key === numberKey ? asNumber(entry) : scalarsAsText(entry)]),
  );
}

function asNumber(value: unknown): unknown {
  return typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
}
