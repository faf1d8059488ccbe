import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

/** What `npm ci` of a fresh clone needs of package-lock.json. */

const root = join(import.meta.dirname, '../..');

interface Entry {
  version?: string;
  resolved?: string;
  hasInstallScript?: boolean;
  optional?: boolean;
  optionalDependencies?: Record<string, string>;
}

const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, Entry>;
};

/** Where Node.js would find `name` from the package at `path`. */
function find(path: string, name: string): Entry | undefined {
  const parents = path
    .split('/node_modules/')
    .map((_, index, parts) => `${parts.slice(0, index + 1).join('/node_modules/')}/`);
  return [...parents.toReversed(), '']
    .map((base) => packages[`${base}node_modules/${name}`])
    .find((entry) => entry !== undefined);
}

it('has the packages of every platform (else: node scripts/complete-lock.mjs)', () => {
  const missing = Object.entries(packages).flatMap(([path, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name, version]) => /^\d/.test(version) && find(path, name)?.version !== version)
      .map(([name, version]) => `${path}: ${name}@${version}`),
  );
  expect(missing).toEqual([]);
});

it('names no host: any registry will do', () => {
  expect(Object.entries(packages).filter(([, entry]) => entry.resolved !== undefined)).toEqual([]);
});
