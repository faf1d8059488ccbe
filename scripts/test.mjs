#!/usr/bin/env node
// `npm test`: set-up, checks, tests, and the count as the last line. Arguments narrow the tests and leave the checks out:
// `npm test -- test/config`.
import { runScript, setUp, testTools } from './setup.mjs';
import { runChecks } from './setup/checks.mjs';
import { openContainers } from './setup/containers.mjs';
import { smokeOnNewerNode } from './setup/newer-node.mjs';
import { summarise } from './setup/summary.mjs';
import { runVitest } from './setup/vitest.mjs';

const files = process.argv.slice(2);
const inCi = Boolean(process.env.CI) && process.env.CI !== 'false';

await runScript(async () => {
  const { missing } = await setUp({ tools: testTools });
  const containers = await openContainers();
  const rows = [];
  let left;
  try {
    // The images are being made meanwhile.
    if (files.length === 0) rows.push({ name: 'checks', skipped: 0, ...(await runChecks()) });
    missing.push(...(await containers.ready()));
    // Without a tool its tests are skipped with a loud line; where nobody reads the lines, that would be a green lie.
    if (inCi && missing.length > 0) rows.push({ name: 'tools', passed: 0, failed: missing.length, skipped: 0 });
    rows.push({ name: 'tests', ...(await runVitest({ files })) });
    if (inCi && files.length === 0) rows.push({ name: 'newer Node', ...(await smokeOnNewerNode()) });
  } finally {
    left = await containers.close();
  }
  if (left.length > 0)
    rows.push({ name: `left in Docker: ${left.join(', ')}`, passed: 0, failed: left.length, skipped: 0 });
  return summarise(rows);
});
