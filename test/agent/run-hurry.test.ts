import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createJob } from '../../src/agent/index.ts';
import { systemClock } from '../../src/lib/index.ts';
import { readJobRequest } from '../../src/protocol/ci/index.ts';
import { memoryLogger, until } from '../ci-hub/index.ts';
import { tempDir } from '../support/temp-dir.ts';

it('a job that is stopped does not wait from TERM to KILL when it is hurried', { timeout: 60_000 }, async () => {
  const home = tempDir();
  const ready = join(home, 'ready');
  const directive = `bash -c 'trap "" TERM HUP INT; touch ${ready}; while :; do sleep 0.05; done'`;
  const [stop, hurry] = [new AbortController(), new AbortController()];
  const log: string[] = [];
  const job = createJob({
    request: readJobRequest({ job_id: 'j', commands: [{ directive }] }),
    log: { write: (line) => void log.push(line), close: async () => undefined },
    mode: 'self-hosted',
    env: { PATH: process.env['PATH'] ?? '', HOME: home },
    cwd: home,
    clock: systemClock,
    logger: memoryLogger([]),
    // Longer than the test may take.
    stopGraceMs: 600_000,
    hurry: hurry.signal,
  });
  const result = job(stop.signal);
  await until(() => existsSync(ready), 'the command');
  stop.abort();
  await new Promise((resolve) => setTimeout(resolve, 100));
  hurry.abort();
  expect(await result).toBe('stopped');
});
