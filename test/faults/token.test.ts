import { describe, expect, it } from 'vitest';
import * as faults from '../support/faults/faults.ts';
import { startOtherHost } from '../support/faults/other-host.ts';
import type { Fault } from '../support/faults/proxy.ts';
import { Stage, written, type StartedRunner } from '../support/faults/stage.ts';
import { eventually } from '../support/runner.ts';

/** What a runner does with its token when somebody refuses it, or asks for it. */

const refusals: readonly [string, Fault, RegExp][] = [
  ['401', faults.status(401), /does not accept the runner token \(401/],
  ['403', faults.status(403), /does not accept the runner token \(403/],
  ['404 "Runner not found" for half a minute', faults.unknownRunner(), /does not know this runner \(404/],
];

const finalLine = /^The server has refused the token of this runner for good/;

async function refusedForGood(runner: StartedRunner): Promise<void> {
  await eventually(() => runner.lines.some(({ message }) => finalLine.test(message)), 20_000);
}

describe.each(refusals)('a token that is refused with %s', (_name, fault, reason) => {
  it('in the middle of a task: the task is finished, its results are kept, exit code 4, and nobody is pestered', async () => {
    const stage = await Stage.open();
    const id = await stage.task('hold');
    const first = await stage.start();
    await stage.line(id, 'line 30');
    const refusal = stage.proxy.inject(fault);
    await refusedForGood(first);
    const asked = stage.proxy.requests.length;
    await stage.clock.sleep(20_000);
    // One question a minute in each direction, not one a second; one may have been on its way.
    expect(stage.proxy.requests.length - asked).toBeLessThanOrEqual(3);
    stage.letGo();
    expect(await first.ended).toBe(4);
    const lines = first.lines.filter(({ message }) => finalLine.test(message));
    expect(lines).toHaveLength(1);
    expect(String(lines[0]?.fields['error'])).toMatch(reason);
    expect(String(lines[0]?.fields['hint'])).toContain('semaphore runner register');
    const kept = first.lines.find(({ message }) => message === 'Results that the server has not taken are kept');
    expect(kept?.fields).toMatchObject({ results: 1, in: expect.stringContaining('jobs') });
    expect(stage.keptLog(id)).toEqual(expect.arrayContaining([...written.hold]));

    // Should the server change its mind, nothing was lost.
    refusal.remove();
    await stage.start();
    await stage.expectComplete(id, 'success', 'hold');
  });

  it('while nothing runs: the runner ends with exit code 4', async () => {
    const stage = await Stage.open();
    stage.proxy.inject(fault);
    const runner = await stage.start();
    expect(await runner.ended).toBe(4);
    expect(runner.lines.filter(({ message }) => finalLine.test(message))).toHaveLength(1);
  });
});

describe('a refusal that may pass', () => {
  it('of a server whose database is away for 20 seconds is no verdict', async () => {
    const stage = await Stage.open();
    const id = await stage.task('hold');
    const runner = await stage.start();
    await stage.line(id, 'line 30');
    const refusal = stage.proxy.inject(faults.unknownRunner());
    await stage.clock.sleep(20_000);
    expect(refusal.hits).toBeGreaterThan(2);
    refusal.remove();
    stage.letGo();
    await stage.expectComplete(id, 'success', 'hold');
    expect(runner.lines.some(({ message }) => finalLine.test(message))).toBe(false);
    runner.drain();
    expect(await runner.ended).toBe(0);
  });

  it('of a wrong path or a proxy is no verdict, however long it lasts', async () => {
    const stage = await Stage.open();
    const pages = stage.proxy.inject(faults.html(404, 'Not Found'));
    const runner = await stage.start();
    await stage.pass(600_000);
    pages.remove();
    const id = await stage.task('talk');
    await stage.expectComplete(id, 'success', 'talk');
    expect(runner.lines.some(({ message }) => finalLine.test(message))).toBe(false);
    const said = runner.lines.find(({ level }) => level === 'error');
    expect(String(said?.fields['error'])).toContain('/api/internal/runners does not exist (404: Not Found)');
  });
});

describe('a runner that is deleted on the server', () => {
  it('in the middle of a task finishes it and ends with exit code 4', async () => {
    const stage = await Stage.open();
    const id = await stage.task('hold');
    const runner = await stage.start();
    await stage.line(id, 'line 30');
    expect((await stage.server.call('DELETE', '/api/runners/1')).status).toBe(204);
    await refusedForGood(runner);
    stage.letGo();
    expect(await runner.ended).toBe(4);
    expect(stage.keptLog(id)).toEqual(expect.arrayContaining([...written.hold]));
  });
});

describe('a redirect to another host', () => {
  it.each([301, 302, 303, 307, 308])(
    'with %i is not followed; no token gets there, and both hosts are named',
    async (code) => {
      const stage = await Stage.open();
      const other = await startOtherHost();
      const moved = stage.proxy.inject(faults.redirect(code, `${other.url}/api/internal/runners`));
      const id = await stage.task('talk');
      const runner = await stage.start();
      await eventually(() => moved.hits >= 4);
      moved.remove();
      await stage.expectComplete(id, 'success', 'talk');
      expect(other.received).toEqual([]);
      const said = String(runner.lines.find(({ level }) => level === 'error')?.fields['error']);
      expect(said).toContain(new URL(stage.proxy.url).host);
      expect(said).toContain(new URL(other.url).host);
      expect(JSON.stringify(runner.lines)).not.toContain(stage.token);
    },
  );
});
