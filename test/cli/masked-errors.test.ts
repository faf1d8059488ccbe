import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runInProcess } from '../support/run-cli.ts';
import { tempDir } from '../support/temp-dir.ts';

describe('the text of an error', () => {
  it('shows no credentials of URLs', async () => {
    const cwd = tempDir();
    const file = join(cwd, 'runner.json');
    writeFileSync(
      file,
      JSON.stringify({ web_host: 'http://127.0.0.1:1', runner: { log: 'https://bob:hunter22@log.example' } }),
    );
    const { code, err } = await runInProcess(['runner', 'start', '--config', file], { cwd });
    expect(code).not.toBe(0);
    expect(err).toContain('bob:***@log.example');
    expect(err).not.toContain('hunter22');
  });

  it('shows no token that this process has read', async () => {
    const cwd = tempDir();
    const token = 'runner-token-from-the-file';
    const file = join(cwd, 'runner.json');
    // The state directory is named after the token by mistake, and is a file.
    writeFileSync(join(cwd, token), '');
    const runner = { token, state_dir: join(cwd, token, 'state') };
    writeFileSync(file, JSON.stringify({ web_host: 'http://127.0.0.1:1', tmp_path: join(cwd, token, 'tmp'), runner }));
    const { code, err } = await runInProcess(['runner', 'start', '--config', file], { cwd });
    expect(code).not.toBe(0);
    expect(err).toContain('<dir>/***');
    expect(err).not.toContain(token);
  });
});
