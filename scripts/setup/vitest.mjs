import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runVisible } from './command.mjs';
import { paint, say, usesColour } from './console.mjs';
import { isolatedEnv } from './environment.mjs';
import { cacheDirectory, root } from './paths.mjs';

/**
 * Runs vitest, its own report on the screen, and returns the counts from its JSON report. A test file that cannot be
 * loaded has no tests to count, and an error outside of a test belongs to none: each counts as one failure.
 */
export async function runVitest({ title = 'Tests', node = process.execPath, files = [], env = {} } = {}) {
  say(paint('bold', title));
  mkdirSync(cacheDirectory, { recursive: true });
  const report = join(cacheDirectory, 'vitest.json');
  rmSync(report, { force: true });
  const colour = usesColour() ? '--color' : '--no-color';
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const exitCode = await runVisible(
    node,
    [join(root, 'node_modules/vitest/vitest.mjs'), 'run', colour, ...reporters, ...files],
    {
      env: { ...isolatedEnv(), ...env },
    },
  );
  return countReport(report, exitCode);
}

/** The counts of one vitest run from its JSON report; a run that failed never counts as one without failures. */
export function countReport(report, exitCode) {
  let outcome;
  try {
    outcome = JSON.parse(readFileSync(report, 'utf8'));
  } catch (error) {
    say(`vitest left no report (${error.message}); it ended with ${exitCode}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const unloadable = outcome.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  const failed = outcome.numFailedTests + unloadable.length;
  return {
    passed: outcome.numPassedTests,
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: outcome.numPendingTests + outcome.numTodoTests,
  };
}
