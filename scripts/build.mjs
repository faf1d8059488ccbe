// Bundles src/main.ts into dist/semaphore.cjs and makes its V8 code cache. Runs after dependencies are installed.
// Options: --out DIRECTORY (instead of dist), --sourcemap.
import { build } from 'esbuild';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { writeNotices } from './setup/notices.mjs';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({ options: { out: { type: 'string' }, sourcemap: { type: 'boolean' } } });
const dist = resolve(values.out ?? join(root, 'dist'));
// Built aside and moved into place, so that a failed build leaves the last one alone.
const fresh = `${dist}.${process.pid}`;
const outfile = join(fresh, 'semaphore.cjs');

try {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/main.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    mainFields: ['module', 'main'],
    charset: 'ascii',
    minifySyntax: true,
    minifyWhitespace: true,
    // Keeps the line and column of a stack trace useful.
    lineLimit: 200,
    legalComments: 'none',
    // A script that comes out of the code cache cannot import(); require() serves as well.
    supported: { 'dynamic-import': false },
    sourcemap: values.sourcemap ?? false,
    // TypeScript loaders that oclif only tries in development, and packages with native parts.
    external: [
      'typescript',
      'ts-node',
      'tsx',
      '@lydell/node-pty',
      '@napi-rs/keyring',
      '@kubernetes/client-node',
      'bufferutil',
      'utf-8-validate',
      'cpu-features',
      '*.node',
    ],
    define: { 'import.meta.url': '__importMetaUrl', 'import.meta.dirname': '__dirname' },
    banner: { js: "const __importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
    logLevel: 'warning',
    metafile: true,
  });
  writeNotices(Object.keys(metafile.inputs), join(fresh, 'THIRD-PARTY-NOTICES.txt'));
  escapeTheRest();
  makeCodeCache();
  rmSync(dist, { recursive: true, force: true });
  renameSync(fresh, dist);
} catch (error) {
  // What is wrong in the sources esbuild has told already.
  if (!Array.isArray(error.errors)) throw error;
  process.exitCode = 1;
} finally {
  rmSync(fresh, { recursive: true, force: true });
}

/** esbuild leaves characters in regular expressions as they are; the launcher relies on there being none but ASCII. */
function escapeTheRest() {
  const text = readFileSync(outfile, 'utf8');
  const escaped = text.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  if (escaped !== text) writeFileSync(outfile, escaped);
}

function makeCodeCache() {
  const script = join(import.meta.dirname, 'make-code-cache.cjs');
  const { status, stderr } = spawnSync(process.execPath, [script, outfile], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`the code cache could not be made: ${stderr}`);
}
