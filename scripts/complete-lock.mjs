#!/usr/bin/env node
// npm leaves packages of other platforms out of package-lock.json when the registry at hand does not have them, or when node_modules was
// there before; `npm ci` then refuses the lock file everywhere ("Missing: … from lock file"). This adds what is missing: run it
// after `npm install NAME@VERSION`. `test/scripts/lock-file.test.ts` fails when it should have been run.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './setup/paths.mjs';

const MAX_ADDED = 1000;
const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const processors = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64'];

/** Optional dependencies with an exact version that `packages` (of a lock file) has no entry for. */
export function missingEntries(packages) {
  return Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.entries(optionalDependencies)
      .filter(([, version]) => /^\d/.test(version))
      .filter(([name, version]) => packages[resolve(packages, path, name)]?.version !== version)
      .map(([name, version]) => ({ parent: path, name, version })),
  );
}

/** Adds the missing entries, beside the sibling for this platform that npm did write. Returns how many. */
export function completeLock(packages) {
  const displaced = new Map();
  let added = 0;
  for (let missing = missingEntries(packages); missing.length > 0; missing = missingEntries(packages)) {
    const { parent, name, version } = missing[0];
    const [sibling, model] = siblingOf(packages, parent);
    const path = `${sibling.path.slice(0, -sibling.name.length)}${name}`;
    // Another version that stood here goes below its own parent, which the next round sees.
    if (packages[path]) displaced.set(`${name}@${packages[path].version}`, packages[path]);
    packages[path] = displaced.get(`${name}@${version}`) ?? entry(name, version, model);
    added += 1;
    if (added > MAX_ADDED) throw new Error('two packages ask for each other’s place in package-lock.json');
  }
  return added;
}

function siblingOf(packages, parent) {
  for (const [name, version] of Object.entries(packages[parent].optionalDependencies)) {
    const path = resolve(packages, parent, name);
    if (packages[path]?.version === version) return [{ name, path }, packages[path]];
  }
  throw new Error(`${parent} has no optional package for this platform: is node_modules complete?`);
}

/** Without `integrity`: the registry at hand could not tell it. npm needs os, cpu and libc to know that it is for others. */
function entry(name, version, { dev, license, engines }) {
  const words = name.split(/[/-]/);
  const os = words.find((word) => systems.includes(word));
  const cpu = words.find((word) => processors.includes(word));
  const abi = words.at(-1);
  const libc =
    os !== 'linux' ? undefined : abi.startsWith('musl') ? 'musl' : abi.startsWith('gnu') ? 'glibc' : undefined;
  return {
    version,
    ...(cpu && { cpu: [cpu] }),
    ...(dev && { dev }),
    ...(libc && { libc: [libc] }),
    ...(license && { license }),
    optional: true,
    ...(os && { os: [os] }),
    ...(engines && { engines }),
  };
}

/** Where Node.js would find `name` from the package at `path`: in its own node_modules, or in one further up. */
function resolve(packages, path, name) {
  let base = path;
  for (;;) {
    const candidate = `${base}${base === '' ? '' : '/'}node_modules/${name}`;
    if (packages[candidate] || base === '') return candidate;
    base = base.slice(0, Math.max(0, base.lastIndexOf('/node_modules/')));
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const file = join(root, 'package-lock.json');
  const lock = JSON.parse(readFileSync(file, 'utf8'));
  const added = completeLock(lock.packages);
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')));
  if (added > 0) writeFileSync(file, `${JSON.stringify(lock, undefined, 2)}\n`);
  process.stdout.write(
    added === 0 ? 'package-lock.json is complete\n' : `added ${added} packages of other platforms\n`,
  );
}
