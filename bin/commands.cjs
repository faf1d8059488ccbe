'use strict';
// oclif loads the commands through this file; the bundle that is already running provides them (see src/main.ts).
exports.COMMANDS = globalThis[Symbol.for('semaphore.commands')];
