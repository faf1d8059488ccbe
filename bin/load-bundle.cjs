'use strict';
// Node's own compile cache exists from 22 on, and keeps its files in a directory that other users can write to. This one
// lies beside the bundle, is made by the build, and is passed over when it was made by another Node.js.
const fs = require('node:fs');
const { createRequire, Module, wrap } = require('node:module');
const path = require('node:path');
const vm = require('node:vm');

/** Where the code cache of this Node.js for `file` is. */
function cacheFileOf(file) {
  return `${file}.${process.version}-${process.arch}.cache`;
}

/** Evaluates a CommonJS bundle; gives its exports and the compiled script. */
function loadBundle(file, source) {
  let cachedData;
  try {
    cachedData = fs.readFileSync(cacheFileOf(file));
  } catch {
    // None for this Node.js: compiled the slow way.
  }
  const script = new vm.Script(wrap(source), { filename: file, cachedData });
  const own = new Module(file, module);
  own.filename = file;
  own.paths = Module._nodeModulePaths(path.dirname(file));
  script.runInThisContext().call(own.exports, own.exports, createRequire(file), own, file, path.dirname(file));
  return { exports: own.exports, script, cacheUsed: cachedData !== undefined && script.cachedDataRejected === false };
}

module.exports = { cacheFileOf, loadBundle };
