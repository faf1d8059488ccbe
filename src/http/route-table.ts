/** Finds the route of a path. Patterns are literal segments and `:name` segments, for example `/api/project/:pid/tasks/:id`. */

export interface Match<Value> {
  value: Value;
  params: Readonly<Record<string, string>>;
}

interface Entry<Value> {
  method: string;
  segments: readonly string[];
  value: Value;
}

/** Segments of a path: repeated and trailing slashes do not count (spec 8.2: `web_host` may end with one). */
export function segmentsOf(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '');
}

export class RouteTable<Value> {
  readonly #entries: Entry<Value>[] = [];

  add(method: string, pattern: string, value: Value): void {
    this.#entries.push({ method, segments: segmentsOf(pattern), value });
    // Literal segments win over `:name`, whatever the order of registration.
    this.#entries.sort((a, b) => rank(a).localeCompare(rank(b), 'en'));
  }

  find(method: string, path: readonly string[]): Match<Value> | undefined {
    for (const entry of this.#entries) {
      if (entry.method !== method) continue;
      const params = matchSegments(entry.segments, path);
      if (params) return { value: entry.value, params };
    }
    return undefined;
  }

  /** Methods that the path has; empty when there is no such path. */
  methodsOf(path: readonly string[]): string[] {
    return this.#entries.flatMap((entry) => (matchSegments(entry.segments, path) ? [entry.method] : []));
  }
}

function rank(entry: Entry<unknown>): string {
  return entry.segments.map((segment) => (segment.startsWith(':') ? '1' : '0')).join('');
}

function matchSegments(pattern: readonly string[], path: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== path.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, expected] of pattern.entries()) {
    const actual = path[index] ?? '';
    if (expected.startsWith(':')) params[expected.slice(1)] = actual;
    else if (expected !== actual) return undefined;
  }
  return params;
}
