import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { JobDirectory, Seal, TaskProcesses } from '../../src/execution/index.ts';
import { createLocalHost } from '../../src/executors/index.ts';
import { PatientNotes } from '../../src/runner/patient-notes.ts';
import type { Step } from '../../src/tasks/index.ts';
import { recordingLogger } from '../support/runner.ts';
import { canMount, SmallDisk } from '../support/small-disk.ts';

/** What a job directory on a full disk holds is always a beginning of what happened, and never too little to be safe. */

const seal = Seal.fromToken('token');

async function place() {
  const disk = SmallDisk.mount(1);
  const root = join(disk.path, 'jobs');
  const directory = await JobDirectory.create(root, 1, '{}', seal);
  onTestFinished(() => directory.close());
  const host = createLocalHost({
    directory,
    processes: new TaskProcesses(directory.tag),
    signal: new AbortController().signal,
    addSecret: () => undefined,
    setStatus: () => undefined,
    setCommit: () => undefined,
    waitForDecision: () => Promise.reject(new Error('not asked')),
  });
  return { disk, root, directory, host };
}

const step = (key: string, script: string): Step => ({
  key,
  phase: 'run',
  command: 'sh',
  args: ['-c', script],
  cwd: '/',
  env: { PATH: process.env['PATH'] ?? '' },
  stop: { signal: 'SIGTERM', graceMs: 1000 },
});

describe.runIf(canMount())('the record of a task on a full disk', () => {
  it('begins no step that a later process would not know of', async () => {
    const { directory, disk, host } = await place();
    const probe = join('/tmp', `semaphore-probe-${directory.tag}`);
    disk.fill();
    // The rest of the page that the record has already.
    while (directory.trouble === undefined) directory.record({ type: 'status', status: 'running' });
    const result = await host.run(step('run', `touch ${probe}`));
    expect(result).toMatchObject({ kind: 'unstartable', code: 'ENOSPC' });
    expect(result.kind === 'unstartable' && result.message).toContain('cannot be noted in');
    expect(existsSync(probe)).toBe(false);
  });

  it('is written in order as soon as there is space', async () => {
    const { directory, disk, root } = await place();
    disk.fill();
    for (let count = 0; count < 200; count += 1) {
      directory.appendLine(`line ${count}`);
      directory.record({ type: 'commit', hash: String(count), message: 'm'.repeat(50) });
    }
    expect(directory.trouble).toMatchObject({ code: 'ENOSPC' });
    const hashes = () => directory.events().flatMap((event) => (event.type === 'commit' ? [Number(event.hash)] : []));
    const early = hashes();
    expect(early.length).toBeLessThan(200);
    expect(early).toEqual(early.map((_, index) => index));
    // No event of a line that is not there.
    const lines = readFileSync(directory.logPath, 'utf8').split('\n').length - 1;
    expect(directory.events().at(-1)?.lines).toBeLessThanOrEqual(lines);
    disk.free();
    directory.flush();
    expect(hashes()).toEqual(Array.from({ length: 200 }, (_, index) => index));
    expect(readFileSync(directory.logPath, 'utf8')).toBe(
      Array.from({ length: 200 }, (_, index) => `line ${index}\n`).join(''),
    );
    expect(JobDirectory.open(root, 1, seal)?.events()).toHaveLength(201);
  });

  it('withholds a log whose secrets could not be stored from the next process', async () => {
    const { directory, disk, root } = await place();
    const { logger, lines } = recordingLogger();
    const notes = new PatientNotes({ taskId: 1, directory, logger });
    const store = () => {
      try {
        directory.writeSecrets(['a secret']);
      } catch (error: unknown) {
        directory.dropSecrets();
        throw error;
      }
    };
    disk.fill();
    notes.write('secrets', store);
    expect(JobDirectory.open(root, 1, seal)?.readSecrets()).toBeUndefined();
    notes.retry();
    disk.free();
    notes.retry();
    expect(JobDirectory.open(root, 1, seal)?.readSecrets()).toEqual(['a secret']);
    expect(lines.map(({ level, message }) => [level, message])).toEqual([
      ['error', 'Cannot write to the job directory; going on, and trying again'],
      ['info', 'The job directory can be written again'],
    ]);
    expect(lines[0]?.fields).toMatchObject({ task_id: 1, path: directory.path, hint: expect.stringMatching(/^Free/) });
  });

  it('leaves nothing of a job that could not be made', async () => {
    const disk = SmallDisk.mount(1);
    const root = join(disk.path, 'jobs');
    disk.fill();
    await expect(JobDirectory.create(root, 1, 'x'.repeat(100), seal)).rejects.toThrow(/cannot be made \(ENOSPC/);
    expect(JobDirectory.list(root)).toEqual([]);
    disk.free();
    (await JobDirectory.create(root, 1, '', seal)).close();
  });
});
