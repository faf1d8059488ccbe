import { appendFileSync, closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/lib/index.ts';
import { Follower, TimeMarks } from '../../src/logs/index.ts';
import { tempDir } from '../support/temp-dir.ts';

it('sees a log grow without the help of the system, as where the watches of inotify are used up', async () => {
  const path = join(tempDir(), 'log');
  const fd = openSync(path, 'a+');
  let growths = 0;
  const follower = new Follower({
    // Stand-in: a system without a watch left refuses just as it refuses a file that is not there.
    path: join(path, 'not-there'),
    fd,
    marks: new TimeMarks(),
    clock: systemClock,
    onGrowth: () => (growths += 1),
  });
  follower.start();
  onTestFinished(() => {
    follower.stop();
    closeSync(fd);
  });
  expect(growths).toBe(0);
  appendFileSync(path, 'one\n');
  await expect.poll(() => growths, { timeout: 30_000 }).toBe(1);
  appendFileSync(path, 'two\n');
  await expect.poll(() => growths, { timeout: 30_000 }).toBe(2);
});
