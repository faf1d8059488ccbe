'use strict';
// Run by the build: loads the bundle, walks the paths every command takes, and keeps the compiled functions.
const { readFileSync, writeFileSync } = require('node:fs');
const { cacheFileOf, loadBundle } = require('../bin/load-bundle.cjs');

const file = process.argv[2];
for (const name of Object.keys(process.env)) if (name.startsWith('SEMAPHORE_')) delete process.env[name];
process.stdout.write = () => true;

async function run() {
  const { exports, script } = loadBundle(file, readFileSync(file, 'latin1'));
  for (const argv of [['--help'], ['runner', '--help'], ['config', 'show', '--no-config']])
    await exports.runCommand(argv);
  writeFileSync(cacheFileOf(file), script.createCachedData());
}

void run();
