import { describe, expect, it } from 'vitest';
import * as faults from '../support/faults/faults.ts';
import type { Rule } from '../support/faults/proxy.ts';
import { Stage, written } from '../support/faults/stage.ts';
import { eventually } from '../support/runner.ts';

/** How much a runner sends, and how soon again. */

describe('Retry-After', () => {
  const directions: readonly [string, Rule, RegExp | undefined][] = [
    ['of reports, while questions are answered', { method: 'PUT', carrying: /line 1"/ }, /line 1"/],
    ['of questions', { method: 'GET', skip: 3 }, undefined],
  ];
  it.each(directions)('%s is honoured', async (_name, rule, carrying) => {
    const stage = await Stage.open();
    const waits = stage.proxy.inject(faults.status(429, { 'retry-after': '20' }), { ...rule, times: 1 });
    const id = await stage.task('talk');
    await stage.start();
    await eventually(() => waits.hits === 1);
    await stage.expectComplete(id, 'success', 'talk');
    const times = (): number[] =>
      stage.proxy.requests
        .filter(({ method, body }) => method === rule.method && (carrying?.test(body) ?? true))
        .map(({ at }) => at);
    const index = rule.skip ?? 0;
    await eventually(() => times().length > index + 1);
    const pause = (times()[index + 1] ?? 0) - (times()[index] ?? 0);
    // 20 seconds of the runner are one of ours.
    expect(pause).toBeGreaterThanOrEqual(950);
  });

  it('that is absurd does not keep the runner away for longer than five minutes', async () => {
    const stage = await Stage.open();
    stage.proxy.inject(faults.status(503, { 'retry-after': '99999999999' }), { times: 2 });
    const runner = await stage.start();
    await eventually(() => stage.proxy.requests.length === 2);
    await stage.pass(240_000);
    expect(stage.proxy.requests.length).toBe(2);
    await stage.pass(120_000);
    await eventually(() => stage.proxy.requests.length > 2);
    expect(runner.lines.filter(({ level }) => level === 'error').length).toBeLessThanOrEqual(2);
  });
});

describe('413', () => {
  it.each([20_000, 2000, 700])(
    'above %i bytes: the report is halved, lines are cut, nothing is lost',
    async (limit) => {
      const stage = await Stage.open();
      stage.proxy.inject(faults.tooLarge(limit), { method: 'PUT' });
      const id = await stage.task('long-line');
      const runner = await stage.start();
      expect(await stage.finished(id)).toBe('success');
      const log = await stage.log(id);
      expect(log.join('')).toBe(written['long-line'].join(''));
      expect(log.at(-1)).toBe('after');
      const tooLarge = stage.proxy.requests.filter(({ body }) => body.length > limit);
      expect(tooLarge.length).toBeLessThan(12);
      const said = runner.lines
        .filter(({ level }) => level !== 'info' && level !== 'debug')
        .map(({ message }) => message);
      expect(said).toEqual(['The server calls progress reports too large; sending smaller ones']);
    },
  );

  it('of whatever is sent is told, waits, and loses nothing', async () => {
    const stage = await Stage.open();
    const refusal = stage.proxy.inject(faults.tooLarge(0), { method: 'PUT' });
    const id = await stage.task('talk');
    const runner = await stage.start();
    await eventually(() => runner.lines.some(({ message }) => message === 'Task finished'), 20_000);
    const before = refusal.hits;
    await stage.pass(60_000);
    expect(refusal.hits - before).toBeLessThan(25);
    expect(
      runner.lines.some(({ fields }) => String(fields['error']).includes('too large for the server or a proxy')),
    ).toBe(true);
    refusal.remove();
    expect(await stage.finished(id)).toBe('success');
    expect((await stage.log(id)).join('')).toBe(written.talk.join(''));
  });
});

describe('HTML with 200', () => {
  it('is named for what it is', async () => {
    const stage = await Stage.open();
    const page = stage.proxy.inject(faults.html(200, 'Log in to the guest network'));
    const runner = await stage.start();
    await eventually(() => page.hits >= 2);
    const said = runner.lines.filter(({ level }) => level === 'error').map(({ fields }) => String(fields['error']));
    expect(said.join()).toContain('this does not look like a Semaphore UI server');
    expect(said.join()).toContain('an HTML page (Log in to the guest network)');
  });
});
