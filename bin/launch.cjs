'use strict';
// The launcher of all executables: checks the Node.js version before anything else is parsed, answers questions for the version
// at once, and loads the bundle through V8's code cache, which halves the start-up time.

/** Runs the command line `words` and what the process was given; `versionText` is for those who ask for nothing else. */
function launch(words, versionWords, versionText) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (!((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major >= 23)) {
    process.stderr.write(`semaphore needs Node.js 20.19, 22.12 or newer; this is ${process.version}.\n`);
    process.exit(2);
  }
  const argv = process.argv.slice(2);
  if (argv.length === 1 && versionWords.includes(argv[0])) {
    process.stdout.write(`${versionText(require('../package.json').version)}\n`);
  } else {
    loadMain()([...words, ...argv]);
  }
}

function loadMain() {
  const fs = require('node:fs');
  const path = require('node:path');
  const file = path.join(__dirname, '..', 'dist', 'semaphore.cjs');
  let source;
  try {
    // The bundle is pure ASCII; read this way, V8 keeps it as it is.
    source = fs.readFileSync(file, 'latin1');
  } catch {
    process.stderr.write(
      'semaphore is not built yet. Run `npm run demo` or `npm test` once, or `npm ci && npm run build`.\n',
    );
    process.exit(2);
  }
  return require('./load-bundle.cjs').loadBundle(file, source).exports.main;
}

module.exports = { launch };
