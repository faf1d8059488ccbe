import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const rows = readFileSync(join(root, 'docs', 'reliability.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| guarantee |'));

describe('docs/reliability.md', () => {
  it('has guarantees', () => {
    expect(rows.length).toBeGreaterThan(50);
  });

  it.each(rows)('names a test that exists: %s', (row) => {
    const proof = /\| `(test\/[^`]+\.test\.ts)` "([^|]+)" \|$/.exec(row);
    expect(proof, 'a row ends with | `test/….test.ts` "title" |').not.toBeNull();
    const [, file = '', title = ''] = proof ?? [];
    expect(existsSync(join(root, file)), file).toBe(true);
    // As it stands in the source: a title may have placeholders, and may be broken over lines with its arguments.
    expect(readFileSync(join(root, file), 'utf8')).toContain(title);
  });
});
