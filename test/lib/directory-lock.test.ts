import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lockDirectory } from '../../src/lib/index.ts';
import { tempDir } from '../support/temp-dir.ts';

const options = { who: 'runner', hint: 'Stop it.' };

describe('lockDirectory', () => {
  it('lets one process in, and the next one after it', async () => {
    const directory = tempDir();
    const lock = await lockDirectory(directory, options);
    await expect(lockDirectory(directory, options)).rejects.toThrow(/another runner \(process \d+\)/);
    await lock.release();
    await lock.release();
    await (await lockDirectory(directory, options)).release();
    expect(readdirSync(directory)).toEqual([]);
  });

  it.each(['999999999 1', `${process.pid} 1`, ''])('is not held by a process that is gone (%j)', async (content) => {
    const directory = tempDir();
    writeFileSync(join(directory, 'lock'), content);
    await (await lockDirectory(directory, options)).release();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('goes to exactly one of many that find a stale one at the same time', async () => {
    const directory = tempDir();
    writeFileSync(join(directory, 'lock'), '999999999 1');
    const asked = await Promise.allSettled(Array.from({ length: 20 }, () => lockDirectory(directory, options)));
    expect(asked.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
  });
});
