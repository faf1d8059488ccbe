import { paint, say } from './console.mjs';

const NAME_WIDTH = 14;

/**
 * Prints a row per part and, as the last line, `N passed, N failed[, N skipped]` over all of them: checks count like tests, so that the line
 * never says "0 failed" when the command failed. Returns the exit code; a run in which nothing passed is a failure, too.
 */
export function summarise(rows) {
  const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
  const total = { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') };
  say(paint('bold', 'Results'));
  for (const row of rows)
    say(`  ${row.failed === 0 ? paint('green', '✓') : paint('red', '✗')} ${row.name.padEnd(NAME_WIDTH)} ${text(row)}`);
  say();
  say(text(total));
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

function text({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
