import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.mjs';
import { root } from './paths.mjs';

const dist = join(root, 'dist');
const stamp = join(dist, '.inputs.sha256');

/** Builds `dist/` when a source differs from what the last build read. The content counts, not the time: git sets none. */
export async function buildBundle() {
  const inputs = hashInputs();
  if (existsSync(join(dist, 'semaphore.cjs')) && existsSync(stamp) && readFileSync(stamp, 'utf8') === inputs)
    return 'up to date';
  await run(process.execPath, [join(root, 'scripts', 'build.mjs')], {
    title: 'npm run build',
    hint: 'The program could not be built from src/. `npm run types` shows mistakes in the sources.',
  });
  writeFileSync(stamp, inputs);
  return 'built';
}

function hashInputs() {
  const hash = createHash('sha256').update(`${process.version} ${process.arch}\n`);
  const scripts = ['scripts/build.mjs', 'scripts/make-code-cache.cjs', 'scripts/setup/notices.mjs'];
  const files = ['package.json', 'package-lock.json', 'tsconfig.json', ...scripts, ...below('src'), ...below('bin')];
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0');
  return hash.digest('hex');
}

function below(directory) {
  return readdirSync(join(root, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length + 1))
    .sort();
}
