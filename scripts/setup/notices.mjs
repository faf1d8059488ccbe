// The licences of everything that was bundled, beside the bundle: who passes the bundle on must pass them on, too.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';

/** Writes the notices of all packages among `inputs`, the paths of the bundled files relative to the checkout, to `target`. */
export function writeNotices(inputs, target) {
  const directories = new Set(inputs.filter((path) => path.includes('node_modules/')).map(packageDirectory));
  const notices = [...directories].map(notice).sort((a, b) => a.localeCompare(b));
  const head = 'semaphore contains the following packages, each under its own licence.\n';
  writeFileSync(target, [head, ...notices].join(`\n${'-'.repeat(80)}\n\n`));
}

/** `node_modules/a/node_modules/@b/c/lib/x.js` → `node_modules/a/node_modules/@b/c`. */
function packageDirectory(path) {
  return /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)[0];
}

function notice(directory) {
  const folder = join(root, directory);
  const { name, version, license, repository } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const source = typeof repository === 'string' ? repository : repository?.url;
  const file = readdirSync(folder).find((entry) => /^licen[cs]e(-\w+)?(\.\w+)?$/i.test(entry));
  const text = file
    ? readFileSync(join(folder, file), 'utf8').trim()
    : `(no licence file in the package; it declares ${license})`;
  return `${name} ${version} (${license})${source ? `\n${source}` : ''}\n\n${text}\n`;
}
