import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { JobDirectory, Seal, type JobEvent } from '../../src/execution/index.ts';
import { jobFormat, readEarlierJob } from '../../src/runner/earlier-job.ts';
import { tempDir } from '../support/temp-dir.ts';

const seal = Seal.fromToken('token');
const inContainers: JobEvent = { type: 'executor', kind: 'docker', containers: 'semaphore-task-3-0' };
const running: JobEvent = { type: 'status', status: 'running' };
const stopping: JobEvent = { type: 'status', status: 'stopping' };

/** What is to be done with a task of which this is noted. */
async function earlier(events: readonly JobEvent[], restarted = false) {
  const root = join(tempDir(), 'jobs');
  const content = JSON.stringify({ format: jobFormat, job: {}, keys: [] });
  const directory = await JobDirectory.create(root, 3, content, seal);
  for (const event of events) directory.record(event);
  directory.close();
  if (restarted) {
    const path = join(root, '3', 'steps.jsonl');
    writeFileSync(path, readFileSync(path, 'utf8').replace(/"machine":"[^"]*"/, '"machine":"another life"'));
  }
  const found = readEarlierJob(root, 3, seal);
  found?.directory.close();
  return { executor: found?.executor, next: found?.next };
}

describe('a task that an earlier runner began', () => {
  it('runs where it ran', async () => {
    expect((await earlier([running])).executor).toEqual({ kind: 'local' });
    expect((await earlier([inContainers, running])).executor).toEqual({
      kind: 'docker',
      containers: 'semaphore-task-3-0',
    });
  });

  it('runs where tasks run now when it had not come so far as to note that', async () => {
    expect(await earlier([])).toMatchObject({ executor: undefined, next: { kind: 'resume' } });
  });

  it('in containers may have outlived the machine', async () => {
    expect((await earlier([inContainers, running], true)).next).toMatchObject({ kind: 'resume', isStopping: false });
    expect((await earlier([running], true)).next).toMatchObject({ kind: 'end', outcome: { kind: 'failed' } });
  });

  it('in containers is played up to where it was being stopped, so that its last words are read', async () => {
    expect((await earlier([inContainers, running, stopping])).next).toMatchObject({ kind: 'resume', isStopping: true });
    expect((await earlier([running, stopping])).next).toEqual({ kind: 'end', outcome: { kind: 'stopped' } });
  });
});
