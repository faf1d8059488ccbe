// Bundles src/main.ts into dist/semaphore.cjs and makes its V8 code cache. Runs after dependencies are installed.
import { build } from 'esbuild';
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { writeNotices } from './setup/notices.mjs';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
// Built aside and moved into place, so that a failed build leaves the last one alone.
const fresh = join(root, '.cache', `build-${process.pid}`);
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
    sourcemap: process.argv.includes('--sourcemap'),
    // TypeScript loaders that oclif only tries in development, and packages with native parts.
    external: [
      'typescript',
      'ts-node',
      'tsx',
      '@napi-rs/keyring',
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
  rmSync(dist, { recursive: true, force: true });
  renameSync(fresh, dist);
} catch {
  // esbuild has told what is wrong.
  process.exitCode = 1;
} finally {
  rmSync(fresh, { recursive: true, force: true });
}

if (process.exitCode) process.exit();

const script = join(import.meta.dirname, 'make-code-cache.cjs');
const warm = spawnSync(process.execPath, [script, join(dist, 'semaphore.cjs')], {
  stdio: ['ignore', 'ignore', 'inherit'],
});
if (warm.status !== 0) process.exit(warm.status ?? 1);
