import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';

/** What `npm test` makes of a run: its last line and its exit code are what CI believes. */

const scripts = join(import.meta.dirname, '../../scripts/setup');

function evaluate(module: string, code: string): string {
  const script = `const m = await import(${JSON.stringify(pathToFileURL(join(scripts, module)).href)}); ${code}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout;
}

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

describe('the count of a vitest run', () => {
  const report = {
    numPassedTests: 5,
    numFailedTests: 0,
    numPendingTests: 1,
    numTodoTests: 1,
    testResults: [] as unknown[],
  };

  function count(content: unknown, exitCode: number): Counts {
    const file = join(tempDir(), 'report.json');
    if (content !== undefined) writeFileSync(file, JSON.stringify(content));
    const stdout = evaluate(
      'vitest.mjs',
      `console.log(JSON.stringify(m.countReport(${JSON.stringify(file)}, ${exitCode})))`,
    );
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Counts;
  }

  it('is that of its report', () => {
    expect(count(report, 0)).toEqual({ passed: 5, failed: 0, skipped: 2 });
    expect(count({ ...report, numFailedTests: 2 }, 1)).toEqual({ passed: 5, failed: 2, skipped: 2 });
  });

  it('has one failure for each file that could not be loaded', () => {
    const testResults = [
      { status: 'failed', assertionResults: [] },
      { status: 'failed', assertionResults: [{ status: 'failed' }] },
      { status: 'passed', assertionResults: [{ status: 'passed' }] },
    ];
    expect(count({ ...report, numFailedTests: 1, testResults }, 1).failed).toBe(2);
  });

  it('has a failure when only the exit code says so, or there is no report', () => {
    expect(count(report, 1).failed).toBe(1);
    expect(count(undefined, 0)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });
});

describe('the end of npm test', () => {
  const ending = (rows: unknown[]) => {
    const lines = evaluate('summary.mjs', `console.log(JSON.stringify(m.summarise(${JSON.stringify(rows)})))`)
      .trim()
      .split('\n');
    return { last: lines.at(-2), exitCode: Number(lines.at(-1)) };
  };

  it.each([
    [[{ name: 'tests', passed: 3, failed: 0, skipped: 0 }], '3 passed, 0 failed', 0],
    [
      [
        { name: 'checks', passed: 4, failed: 1, skipped: 0 },
        { name: 'tests', passed: 3, failed: 0, skipped: 2 },
      ],
      '7 passed, 1 failed, 2 skipped',
      1,
    ],
    [[{ name: 'tests', passed: 0, failed: 0, skipped: 9 }], '0 passed, 0 failed, 9 skipped', 1],
  ])('of %j is %j', (rows, last, exitCode) => {
    expect(ending(rows)).toEqual({ last, exitCode });
  });
});
