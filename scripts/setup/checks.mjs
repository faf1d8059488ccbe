// What must hold for every file without running anything of it. One line per check; the output only of what failed.
import { join } from 'node:path';
import { readLog, run } from './command.mjs';
import { explain, paint, say, step, StepError } from './console.mjs';
import { isolatedEnv } from './environment.mjs';
import { root } from './paths.mjs';

/** A person wants to see all mistakes; a broken tool should not flood the screen. */
const TAIL_LINES = 100;

const bin = (name) => join(root, 'node_modules', name);

const checks = [
  { title: 'types', file: bin('typescript/bin/tsc'), args: ['--noEmit'] },
  {
    title: 'lint',
    file: bin('oxlint/bin/oxlint'),
    args: ['--type-aware', '--deny-warnings', '--report-unused-disable-directives'],
    hint: 'A rule that must be broken is disabled for one line, with the reason after `--`.',
  },
  {
    title: 'format',
    file: bin('oxfmt/bin/oxfmt'),
    args: ['--check', '.'],
    hint: 'To format everything: npm run format',
  },
  { title: 'unused code', file: bin('knip/bin/knip.js'), args: ['--no-progress'] },
  {
    title: 'generated',
    file: join(root, 'scripts/generate.mjs'),
    args: ['--check'],
    hint: 'To bring them up to date: npm run generate',
  },
];

/** Runs all checks and returns how many passed and failed; one that fails does not keep the others from being made. */
export async function runChecks() {
  say(paint('bold', 'Checks'));
  const result = { passed: 0, failed: 0 };
  for (const { title, file, args, hint } of checks) {
    try {
      await step(title, async () => {
        await run(process.execPath, [file, ...args], { title, env: { ...isolatedEnv(), NO_COLOR: '1' }, hint });
      });
      result.passed += 1;
    } catch (error) {
      if (!(error instanceof StepError)) throw error;
      result.failed += 1;
      explain(error, readLog, TAIL_LINES);
    }
  }
  say();
  return result;
}
