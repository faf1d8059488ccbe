#!/usr/bin/env node
// `npm run check`: everything that can be said about the code without running its tests.
import { runScript, setUp } from './setup.mjs';
import { runChecks } from './setup/checks.mjs';

await runScript(async () => {
  await setUp({ tools: [] });
  const { failed } = await runChecks();
  return failed === 0 ? 0 : 1;
});
