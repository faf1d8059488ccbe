import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { generatedFiles } from '../../scripts/generate/index.ts';

const root = join(import.meta.dirname, '../..');

describe('what is made from the code', () => {
  it.each(Object.entries(generatedFiles()))('%s is up to date; if not, run: npm run generate', (path, content) => {
    expect(readFileSync(join(root, path), 'utf8')).toBe(content);
  });
});
