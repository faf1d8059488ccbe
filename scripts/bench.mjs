#!/usr/bin/env node
// `npm run bench [suite …]`: measures the built program and prints a table; see bench/main.ts.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { runScript, setUp } from './setup.mjs';
import { root } from './setup/paths.mjs';

await runScript(async () => {
  await setUp({ tools: ['git', 'bash'] });
  const { build } = await import('esbuild');
  const outfile = join(root, 'dist', 'bench.mjs');
  await build({
    entryPoints: [join(root, 'bench', 'main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
  // Set on some machines, it costs every start of an old Node.js more than the program itself.
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const run = spawnSync(process.execPath, [outfile, ...process.argv.slice(2)], { stdio: 'inherit', env, cwd: root });
  return run.status ?? 1;
});
