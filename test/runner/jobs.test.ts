import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { JobDirectory, Seal } from '../../src/execution/index.ts';
import { ProgressBody } from '../../src/protocol/ui/index.ts';
import { jobFormat } from '../../src/runner/earlier-job.ts';
import { Jobs } from '../../src/runner/jobs.ts';
import { eventually, jobContext, jobData, recordingLogger } from '../support/runner.ts';
import { tempDir } from '../support/temp-dir.ts';

describe('Jobs.recover', () => {
  it('goes on with what can be read when something else is damaged', async () => {
    const root = tempDir();
    const { logger, lines } = recordingLogger();
    const context = jobContext(root, () => Promise.resolve({ kind: 'success' }), { logger });
    const content = JSON.stringify({ format: jobFormat, job: jobData(0), keys: [] });
    for (const id of [1, 2, 3]) {
      (await JobDirectory.create(context.jobsRoot, id, content, Seal.fromToken('token'))).close();
    }
    rmSync(join(context.jobsRoot, '1', 'job.sealed'));
    rmSync(join(context.jobsRoot, '2', 'steps.jsonl'));
    const jobs = new Jobs({ ...context, maxParallelTasks: 1, answerPending: () => false });
    expect(jobs.recover()).toEqual({ delivering: [1, 2], resuming: [3] });
    await eventually(() => jobs.get(3)?.status === 'success');
    expect(lines.filter(({ level }) => level === 'error').map(({ fields }) => fields['task_id'])).toEqual([1, 2]);
    // Nobody waits for ever for what is lost.
    const body = new ProgressBody();
    const report = jobs.get(1)?.report(body, { bytes: 1000, lineBytes: 1000 }, false);
    expect(report?.status).toBe('error');
    expect(body.finish().toString()).toContain('Task lost: what the runner had noted');
    expect(JobDirectory.list(context.jobsRoot)).toEqual([3]);
    expect(readdirSync(context.jobsRoot).filter((name) => name.startsWith('damaged-'))).toHaveLength(2);
    jobs.detach();
  });
});
