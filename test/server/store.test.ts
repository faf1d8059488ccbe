import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Store } from '../../src/server/store/store.ts';
import { runnerRecord, taskRecord } from './support/builders.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'store-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function open(compactAfterBytes?: number): Promise<Store> {
  return await Store.open({
    dir,
    clock: { now: () => Date.parse('2026-01-01T00:00:00Z') },
    onCompactionError: (error) => {
      throw error;
    },
    ...(compactAfterBytes === undefined ? {} : { compactAfterBytes }),
  });
}

const runner = runnerRecord(1, { touched: undefined });

describe('the store', () => {
  it('gives back after a restart what was put in, without having been closed', async () => {
    const before = await open();
    before.putTask(taskRecord(1));
    before.changeTask(1, { status: 'success' });
    before.putTask(taskRecord(2));
    before.putRunner(runner);
    const after = await open();
    expect(after.task(1)).toEqual(taskRecord(1, { status: 'success' }));
    expect([...after.unfinished()]).toEqual([taskRecord(2)]);
    expect(after.runner(1)).toEqual(runner);
  });

  it('never gives an id twice, even of what was removed', async () => {
    const before = await open();
    before.putTask(taskRecord(before.reserveTaskId()));
    before.removeTask(1);
    before.putRunner(runner);
    before.removeRunner(1);
    await before.close();
    for (let round = 0; round < 2; round += 1) {
      const after = await open();
      // Reserved, and not used: nobody has seen it.
      expect(after.reserveTaskId()).toBe(2);
      expect(after.reserveRunnerId()).toBe(2);
      await after.close();
    }
  });

  it('knows the last task and the number of tasks of a template', async () => {
    const store = await open();
    for (const id of [1, 2, 3]) store.putTask(taskRecord(id, { templateId: id === 2 ? 5 : 1 }));
    expect(store.lastTaskOf(1)?.id).toBe(3);
    expect(store.countOf(1)).toBe(2);
    store.removeTask(3);
    expect(store.lastTaskOf(1)?.id).toBe(1);
    store.removeTask(1);
    expect(store.lastTaskOf(1)).toBeUndefined();
  });

  it('keeps a heartbeat in memory until something else changes', async () => {
    const store = await open();
    store.putRunner(runner);
    store.changeRunner(1, { touched: 'x' }, { transient: true });
    const after = await open();
    expect(after.runner(1)?.touched).toBeUndefined();
    after.changeRunner(1, { touched: 'y' }, { transient: true });
    after.changeRunner(1, { name: 'n' });
    expect((await open()).runner(1)).toMatchObject({ touched: 'y', name: 'n' });
  });

  it('compacts, and is the same after', async () => {
    const store = await open(2000);
    for (let id = 1; id <= 100; id += 1) store.putTask(taskRecord(id));
    for (let id = 1; id <= 100; id += 1) store.changeTask(id, { status: 'success' });
    await store.close();
    const names = await readdir(dir);
    expect(names).toContain('state.jsonl');
    expect(names.filter((name) => name.startsWith('journal-'))).toHaveLength(1);
    expect([...(await open()).tasks()].map(({ status }) => status)).toEqual(
      Array.from({ length: 100 }, () => 'success'),
    );
  });

  it('does not mind a journal that the snapshot holds already', async () => {
    const store = await open();
    store.putTask(taskRecord(1));
    store.changeTask(1, { status: 'running' });
    const journal = (await readdir(dir)).find((name) => name.startsWith('journal-')) ?? '';
    const old = await readFile(join(dir, journal), 'utf8');
    store.changeTask(1, { status: 'success' });
    const all = await readFile(join(dir, journal), 'utf8');
    await (await open()).close();
    // As if the process had died between writing the snapshot and removing the journal.
    await writeFile(join(dir, 'journal-1.jsonl'), all);
    expect((await open()).task(1)?.status).toBe('success');
    expect(old.length).toBeLessThan(all.length);
  });

  it('ignores the half line that a crash leaves, and names a damaged one', async () => {
    const store = await open();
    store.putTask(taskRecord(1));
    const journal = join(dir, (await readdir(dir))[0] ?? '');
    await appendFile(journal, '{"k":"task","v":{"id":2');
    const after = await open();
    expect([...after.tasks()].map(({ id }) => id)).toEqual([1]);
    await after.close();
    await writeFile(join(dir, 'journal-99.jsonl'), 'x\n');
    await expect(open()).rejects.toThrow(/journal-99\.jsonl is damaged in line 1/);
  });

  it('keeps its files to itself', async () => {
    const store = await open();
    store.putTask(taskRecord(1));
    await store.close();
    await (await open()).close();
    for (const name of await readdir(dir)) expect((await stat(join(dir, name))).mode & 0o777).toBe(0o600);
  });
});

describe('ids', () => {
  it('stay with their names', async () => {
    const { ids } = await open();
    expect([
      ids.get('template', 1, 'a'),
      ids.get('template', 1, 'b'),
      ids.get('template', 2, 'a'),
      ids.get('key', 1, 'a'),
    ]).toEqual([1, 2, 3, 1]);
    const { ids: again } = await open();
    expect([again.get('template', 1, 'b'), again.get('template', 1, 'c')]).toEqual([2, 4]);
  });

  it('can be claimed', async () => {
    const { ids } = await open();
    ids.get('key', 1, 'a');
    ids.claim({ kind: 'key', scope: 1, name: 'b', id: 7 });
    expect(ids.owner('key', 7)?.name).toBe('b');
    expect(ids.get('key', 1, 'c')).toBe(8);
    ids.claim({ kind: 'key', scope: 1, name: 'renamed', id: 7 });
    expect(ids.find('key', 1, 'b')).toBeUndefined();
    expect((await open()).ids.owner('key', 7)?.name).toBe('renamed');
  });
});
