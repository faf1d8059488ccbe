import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { ensureBuilt, startProgram } from '../support/e2e/program.ts';
import * as faults from '../support/faults/faults.ts';
import { Stage } from '../support/faults/stage.ts';
import { tempDir } from '../support/temp-dir.ts';

it('the built program ends with exit code 4 when its token is refused, and says in one line why', async () => {
  ensureBuilt();
  const stage = await Stage.open();
  stage.proxy.inject(faults.status(401));
  const directory = tempDir();
  const config = join(directory, 'runner.json');
  const content = { web_host: stage.proxy.url, tmp_path: join(directory, 'work'), runner: { token: stage.token } };
  writeFileSync(config, JSON.stringify(content), { mode: 0o600 });
  const program = startProgram(['runner', 'start', '--config', config], {
    cwd: directory,
    env: { PATH: process.env['PATH'] ?? '', HOME: directory },
    log: join(directory, 'log'),
  });
  onTestFinished(() => {
    program.child.kill('SIGKILL');
  });
  expect(await program.ended).toEqual({ code: 4, signal: null });
  const output = program.output();
  expect(output.split('\n').filter((line) => /refused the token of this runner for good/.test(line))).toHaveLength(1);
  expect(output).not.toContain(stage.token);
});
