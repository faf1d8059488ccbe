// The licences of everything that was bundled, beside the bundle: who passes the bundle on must pass them on, too.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';

/** Reads from the bundle itself which packages are in it (esbuild names the file before each part) and writes `target`. */
export function writeNotices(bundle, target) {
  const directories = new Set();
  for (const [, path] of readFileSync(bundle, 'utf8').matchAll(/^\s*\/\/ (node_modules\/\S+)$/gm))
    directories.add(packageDirectory(path));
  const notices = [...directories].sort((a, b) => a.localeCompare(b)).map(notice);
  const head = 'semaphore contains the following packages, each under its own licence.\n';
  writeFileSync(target, [head, ...notices].join(`\n${'-'.repeat(80)}\n\n`));
  return notices.length;
}

/** `node_modules/a/node_modules/@b/c/lib/x.js` → `node_modules/a/node_modules/@b/c`. */
function packageDirectory(path) {
  return /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)[0];
}

function notice(directory) {
  const folder = join(root, directory);
  const { name, version, license, repository } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const source = typeof repository === 'string' ? repository : repository?.url;
  const file = readdirSync(folder).find((entry) => /^licen[cs]e(\.\w+)?$/i.test(entry));
  const text = file
    ? readFileSync(join(folder, file), 'utf8').trim()
    : `(the package has no licence file; it declares: ${license})`;
  return `${name} ${version} (${license})${source ? `\n${source}` : ''}\n\n${text}\n`;
}
