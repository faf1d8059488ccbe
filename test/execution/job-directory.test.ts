import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { JobDirectory, Seal } from '../../src/execution/index.ts';
import { tempDir } from '../support/temp-dir.ts';

const seal = Seal.fromToken('the token');

describe('JobDirectory', () => {
  it('gives the job back to the same token only, and to nobody in the clear', async () => {
    const root = tempDir();
    const directory = await JobDirectory.create(root, 5, '{"secret":"hunter22"}', seal);
    directory.close();
    const opened = JobDirectory.open(root, 5, seal);
    expect(opened?.readJob()).toBe('{"secret":"hunter22"}');
    expect(JobDirectory.open(root, 5, Seal.fromToken('another'))?.readJob()).toBeUndefined();
    expect(opened?.tag).toBe(directory.tag);
    expect(readFileSync(join(root, '5', 'job.sealed'), 'latin1')).not.toContain('hunter22');
    await opened?.remove();
    expect(JobDirectory.list(root)).toEqual([]);
  });

  it('keeps its events through a crash in the middle of a line', async () => {
    const root = tempDir();
    const directory = await JobDirectory.create(root, 6, '{}', seal);
    directory.record({ type: 'status', status: 'running' });
    directory.close();
    appendFileSync(join(root, '6', 'steps.jsonl'), '{"type":"status","sta');
    expect(
      JobDirectory.open(root, 6, seal)
        ?.events()
        .map(({ type }) => type),
    ).toEqual(['created', 'status']);
  });

  it('never mixes the log of a job with a leftover of the same id', async () => {
    const root = tempDir();
    const first = await JobDirectory.create(root, 7, '{}', seal);
    first.appendLine('old');
    first.writeAcked({ offset: 4, ms: 1, sub: 0 });
    first.close();
    const second = await JobDirectory.create(root, 7, '{}', seal);
    expect([second.logSize, second.readAcked().offset]).toEqual([0, 0]);
    second.close();
  });
});
