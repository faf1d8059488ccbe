// Bundles src/main.ts into dist/semaphore.cjs and makes its V8 code cache. Runs after dependencies are installed.
import { build } from 'esbuild';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
rmSync(dist, { recursive: true, force: true });

await build({
  absWorkingDir: root,
  entryPoints: ['src/main.ts'],
  outfile: 'dist/semaphore.cjs',
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  mainFields: ['module', 'main'],
  minifySyntax: true,
  keepNames: true,
  legalComments: 'none',
  sourcemap: process.argv.includes('--sourcemap'),
  // TypeScript loaders that oclif only tries in development, and packages with native parts.
  external: ['typescript', 'ts-node', 'tsx', '@napi-rs/keyring', 'bufferutil', 'utf-8-validate'],
  define: { 'import.meta.url': '__importMetaUrl' },
  banner: { js: "const __importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
  logLevel: 'warning',
});

const warm = spawnSync(process.execPath, [join(root, 'bin/semaphore'), '--make-code-cache'], { stdio: 'inherit' });
if (warm.status !== 0) process.exit(warm.status ?? 1);
