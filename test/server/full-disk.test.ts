import { describe, expect, it, vi } from 'vitest';
import { quietRepeats } from '../../src/server/quiet-repeats.ts';
import { Store } from '../../src/server/store/store.ts';
import { FakeClock } from './support/fake-clock.ts';
import { ScriptedRunner } from './support/scripted-runner.ts';
import { TestServer } from './support/test-server.ts';

describe('a disk that is full', () => {
  it('costs nothing but time: what was answered is stored, what could not be stored is sent again', async () => {
    const server = await TestServer.start();
    const runner = await ScriptedRunner.online(server);
    const id = await server.createTask();
    await runner.get();
    await runner.report(id, 'running', ['before']);

    // What a full disk does, where the journal meets it.
    const full = vi.spyOn(Store.prototype, 'putTask').mockImplementation(() => {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    });
    try {
      expect((await runner.report(id, 'success')).status).toBe(500);
      expect((await server.call('POST', '/api/project/1/tasks', { template_id: 1 })).status).toBe(500);
      // Polls are answered all the same.
      expect((await runner.get()).CurrentJobs).toEqual([{ id, status: 'running' }]);
      expect((await runner.report(id, 'success')).status).toBe(500);
    } finally {
      full.mockRestore();
    }
    expect(server.logged.filter((line) => line.includes('A request failed')).length).toBeLessThanOrEqual(2);
    expect(await server.status(id)).toBe('running');
    expect((await runner.report(id, 'success')).status).toBe(200);
    expect(await server.status(id)).toBe('success');
  });
});

describe('trouble that repeats itself', () => {
  it('is told once a minute', async () => {
    const clock = new FakeClock();
    const lines: string[] = [];
    const log = quietRepeats(clock, (message, { repeated }) => lines.push(`${message} ${String(repeated)}`));
    for (let count = 0; count < 5; count += 1) log('failed', { error: new Error('x') });
    log('failed', { error: new Error('y') });
    await clock.advance(60_000);
    log('failed', { error: new Error('x') });
    expect(lines).toEqual(['failed undefined', 'failed undefined', 'failed 4']);
  });
});
