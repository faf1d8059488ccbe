import { mkdirSync, readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeProjectName } from '../../src/executors/compose-executor/project-name.ts';
import { sweepComposeJobs } from '../../src/executors/index.ts';
import { systemClock } from '../../src/lib/index.ts';
import { keepingLogger } from '../agent/job-setup.ts';
import { tempDir } from '../support/temp-dir.ts';
import { commands, useTemporary } from './compose-support.ts';

/** Names of directories of this agent, of a dead one, and of agents in other containers, one of which has been silent for long. */
function leave(): { temporary: string; own: string; dead: string; fresh: string; silent: string } {
  const temporary = tempDir();
  useTemporary(temporary, onTestFinished);
  const own = makeProjectName();
  const [, , host, boot, namespace, pid] = own.split('-');
  const dead = `semaphore-ci-${host}-${boot}-${namespace}-${pid}-1-aaaaaa`;
  const fresh = `semaphore-ci-${host}-${boot}-other-7-1-aaaaaa`;
  const silent = `semaphore-ci-${host}-${boot}-other-8-1-aaaaaa`;
  for (const name of [own, dead, fresh, silent, 'semaphore-ci-else']) mkdirSync(join(temporary, name));
  const hourAgo = new Date(Date.now() - 3_600_000);
  for (const name of [own, silent, 'semaphore-ci-else']) utimesSync(join(temporary, name), hourAgo, hourAgo);
  return { temporary, own, dead, fresh, silent };
}

describe('what killed agents have left', () => {
  it('goes when they are known to be dead, or show no sign of life; all else stays', async () => {
    const { temporary, own, fresh } = leave();
    const agentLog: string[] = [];
    await sweepComposeJobs({ env: { PATH: '/nowhere' }, clock: systemClock, logger: keepingLogger(agentLog) });
    expect(readdirSync(temporary).toSorted()).toEqual([own, fresh, 'semaphore-ci-else'].toSorted());
    expect(agentLog).toHaveLength(2);
  });

  it('stays while no engine answers, which would still have the rest of it', async () => {
    const bin = commands({ docker: '#!/bin/sh\necho "Cannot connect to the Docker daemon" >&2; exit 1\n' });
    const { temporary } = leave();
    const before = readdirSync(temporary);
    const agentLog: string[] = [];
    await sweepComposeJobs({ env: { PATH: bin }, clock: systemClock, logger: keepingLogger(agentLog) });
    expect(readdirSync(temporary)).toEqual(before);
    expect(agentLog).toEqual([
      expect.stringContaining('no Docker engine answers {"error":"Cannot connect to the Docker daemon"}'),
    ]);
  });
});
