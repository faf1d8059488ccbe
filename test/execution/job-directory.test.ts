import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
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

  it('is there whole or not at all, whenever its process ends', async () => {
    const root = tempDir();
    const directory = await JobDirectory.create(root, 8, '{}', seal);
    directory.close();
    // Killed while it made one and removed another.
    renameSync(join(root, '8'), join(root, '.8-0123456789ab'));
    mkdirSync(join(root, '.9-0123456789ab'));
    expect(JobDirectory.list(root)).toEqual([]);
    await JobDirectory.removeUnfinished(root);
    expect(readdirSync(root)).toEqual([]);
    await JobDirectory.removeUnfinished(join(root, 'none'));
  });

  describe('what is being sent', () => {
    const sending = (end: number) => ({ end, times: [[end, end * 2] as const] });
    const read = (root: string) => JobDirectory.open(root, 5, seal)?.readSending();

    it('is what was written last, by whichever process', async () => {
      const root = tempDir();
      const directory = await JobDirectory.create(root, 5, '{}', seal);
      expect(directory.readSending()).toEqual({ end: 0, times: [] });
      for (const end of [1, 2]) directory.writeSending(sending(end));
      directory.close();
      expect(read(root)).toEqual(sending(2));
      const next = JobDirectory.open(root, 5, seal);
      for (const end of [3, 4]) next?.writeSending(sending(end));
      next?.close();
      expect(read(root)).toEqual(sending(4));
    });

    it('is never half of something, where the disk or the process came to an end in a line', async () => {
      const root = tempDir();
      const directory = await JobDirectory.create(root, 5, '{}', seal);
      directory.writeSending(sending(1));
      directory.close();
      const file = join(root, '5', 'sending');
      appendFileSync(file, '{"end":2,"times":[[2,');
      expect(read(root)).toEqual(sending(1));
      // As an earlier version wrote it.
      writeFileSync(file, JSON.stringify(sending(7)));
      expect(read(root)).toEqual(sending(7));
    });

    it('does not fill the disk', async () => {
      const root = tempDir();
      const directory = await JobDirectory.create(root, 5, '{}', seal);
      const times = Array.from({ length: 500 }, (_, index) => [index, index] as const);
      for (let end = 1; end <= 100; end += 1) directory.writeSending({ end, times });
      directory.close();
      expect(statSync(join(root, '5', 'sending')).size).toBeLessThan(100_000);
      expect(read(root)).toEqual({ end: 100, times });
    });
  });

  it('knows the life of the machine and of the container that it was made in', async () => {
    const root = tempDir();
    const record = join(root, '10', 'steps.jsonl');
    (await JobDirectory.create(root, 10, '{}', seal)).close();
    const restarted = (change: (life: string) => string) => {
      const text = readFileSync(record, 'utf8');
      const { machine } = JSON.parse(text) as { machine: string };
      writeFileSync(record, text.replace(machine, change(machine)));
      const opened = JobDirectory.open(root, 10, seal);
      opened?.close();
      writeFileSync(record, text);
      return opened?.restarted;
    };
    expect(restarted((life) => life)).toBeUndefined();
    // The same number of a process namespace, and another first process in it.
    expect(restarted((life) => `${life}1`)).toBe('container');
    expect(restarted((life) => `0${life}`)).toBe('machine');
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
