#!/usr/bin/env node
// `npm run generate`: writes what is made from the code - JSON Schemas, reference pages, the example configuration.
// With --check it writes nothing and fails when one of them is not what the code says; `npm run check` asks for that.
import { build } from 'esbuild';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '..');
const bundle = join(root, '.cache', `generate-${process.pid}.cjs`);

try {
  await build({
    absWorkingDir: root,
    entryPoints: ['scripts/generate/index.ts'],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    mainFields: ['module', 'main'],
    external: [
      'typescript',
      'ts-node',
      'tsx',
      '@napi-rs/keyring',
      '@kubernetes/client-node',
      'bufferutil',
      'utf-8-validate',
    ],
    define: { 'import.meta.url': '__importMetaUrl', 'import.meta.dirname': '__dirname' },
    banner: { js: "const __importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
    // What commands load when they run is not needed to describe them.
    plugins: [{ name: 'lazy', setup: (it) => it.onResolve({ filter: /./ }, lazyIsExternal) }],
    logLevel: 'warning',
  });
  const { generatedFiles } = await import(pathToFileURL(bundle).href);
  for (const [path, content] of Object.entries(generatedFiles())) {
    if (process.argv.includes('--check')) {
      if (existsSync(join(root, path)) && readFileSync(join(root, path), 'utf8') === content) continue;
      console.log(`out of date: ${path}`);
      process.exitCode = 1;
      continue;
    }
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
    console.log(`wrote ${path}`);
  }
} finally {
  rmSync(bundle, { force: true });
}

function lazyIsExternal({ kind, path }) {
  return kind === 'dynamic-import' ? { path, external: true } : undefined;
}
