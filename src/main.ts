import { join } from 'node:path';
import { run } from '@oclif/core';

(globalThis as Record<symbol, unknown>)[Symbol.for('semaphore.commands')] = {};
await run(process.argv.slice(2), { root: join(import.meta.dirname, '..') });
