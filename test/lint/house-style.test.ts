import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** The project's own lint rules (`scripts/lint/house-style.mjs`), run by the real linter on one file per case. */

const root = join(import.meta.dirname, '../..');

const caught: [rule: string, code: string][] = [
  ['no-shell', "spawn('ls', { shell: true });"],
  ['no-shell', "spawn('ls', { shell: '/bin/bash' });"],
  ['no-shell', "import { exec } from 'node:child_process';\nexec('ls');"],
  ['no-shell', "import { execSync as run } from 'node:child_process';\nrun('ls');"],
  ['no-recursive-remove', "await rm('/tmp/x', { recursive: true });"],
  ['no-recursive-remove', "fs.rmSync('/tmp/x', { force: true, recursive: true });"],
  ['no-recursive-remove', "await rm('/tmp/x', { recursive });"],
  ['no-env-spread', "spawn('ls', [], { env: { ...process.env, A: '1' } });"],
  ['no-env-spread', 'export const env = Object.assign({}, process.env);'],
  ['zod-namespace', "import { z } from 'zod';\nz.string();"],
  ['zod-namespace', "import z from 'zod';\nz.string();"],
  ['static-log-message', 'logger.info(`task ${id}`);'],
  ['static-log-message', "export class A {\n  #logger = log;\n  b() {\n    this.#logger.warn('task ' + id);\n  }\n}"],
  ['disable-needs-reason', '// oxlint-disable-next-line no-console\nconsole.log(1);'],
];

const allowed: string[] = [
  "spawn('ls', ['-l'], { shell: false });",
  'export const apps = { shell: runShell };',
  "import { execFile, spawn } from 'node:child_process';\nspawn('a');\nexecFile('b');",
  "await rm('/tmp/x', { force: true });",
  "await rm('/tmp/x');",
  'load({ env: process.env });',
  "import * as z from 'zod';\nz.string();",
  "import type { ZodType } from 'zod';\nexport type T = ZodType;",
  "logger.info('Task started', { task_id: id });",
  '// oxlint-disable-next-line no-console -- shown to the user before the logger exists\nconsole.log(1);',
];

interface Report {
  diagnostics: { code: string; filename: string }[];
}

let directory: string;
const found = new Map<string, string[]>();

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'semaphore-lint-'));
  caught.forEach(([, code], index) => writeFileSync(join(directory, `caught-${index}.ts`), `${code}\n`));
  allowed.forEach((code, index) => writeFileSync(join(directory, `allowed-${index}.ts`), `${code}\n`));
  const args = [
    join(root, 'node_modules/oxlint/bin/oxlint'),
    '-c',
    join(root, '.oxlintrc.json'),
    '--format=json',
    directory,
  ];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: root });
  expect(stderr).toBe('');
  const report = JSON.parse(stdout) as Report;
  for (const file of readdirSync(directory)) found.set(file, []);
  for (const { code, filename } of report.diagnostics)
    found.get(filename.slice(filename.lastIndexOf('/') + 1))?.push(code);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('the rules of the house', () => {
  it.each(caught.map(([rule, code], index) => ({ rule, code, index })))('$rule catches $code', ({ rule, index }) => {
    expect(found.get(`caught-${index}.ts`)).toContain(`house(${rule})`);
  });

  it.each(allowed.map((code, index) => ({ code, index })))('nothing is said about $code', ({ index }) => {
    expect(found.get(`allowed-${index}.ts`)?.filter((code) => code.startsWith('house('))).toEqual([]);
  });
});
