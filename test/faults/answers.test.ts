import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/lib/index.ts';
import * as faults from '../support/faults/faults.ts';
import type { Fault, Rule } from '../support/faults/proxy.ts';
import { Stage } from '../support/faults/stage.ts';
import { eventually } from '../support/runner.ts';

/** Every fault meets a task at every moment of its life; the server ends up with all that the tool wrote, once. */

const httpDate = (): string => new Date(Date.now() + 1000).toUTCString();

const all: readonly [string, Fault][] = [
  ['the connection is reset before the request arrives', faults.reset()],
  ['the connection is reset after the server stored the request', faults.reset({ stored: true })],
  ['500', faults.status(500)],
  ['502', faults.html(502, '502 Bad Gateway')],
  ['503', faults.status(503)],
  ['503 with Retry-After in seconds', faults.status(503, { 'retry-after': '2' })],
  ['504', faults.html(504, '504 Gateway Time-out')],
  ['408', faults.status(408)],
  ['429 with Retry-After in seconds', faults.status(429, { 'retry-after': '1' })],
  ['429 with Retry-After as a date', (exchange) => faults.status(429, { 'retry-after': httpDate() })(exchange)],
  ['401 of a proxy', faults.status(401, { 'www-authenticate': 'Basic realm="proxy"' })],
  ['403 of a firewall', faults.html(403, 'Blocked')],
  ['404 of something else', faults.html(404, 'Not Found')],
  ['HTML with 200', faults.html(200, 'Log in to the guest network')],
  ['half a JSON instead of the request', faults.halfJson()],
  ['half a JSON as the answer', faults.halfJson({ stored: true })],
  ['an answer cut in the middle', faults.cutAnswer({ stored: true })],
  ['a chunked answer cut in the middle', faults.cutAnswer({ stored: true, chunked: true })],
  ['bytes that are no HTTP', faults.garbage()],
  ['a redirect', faults.redirect(307, 'http://127.0.0.1:9/api/internal/runners')],
  ['an answer that never comes', faults.silence()],
  ['an answer that never comes to a request that was stored', faults.silence({ stored: true })],
  ['an answer that comes byte by byte', faults.slowAnswer(200)],
  ['a slow network', faults.latency(120)],
  ['duplicate delivery, first answer', faults.twice(0)],
  ['duplicate delivery, second answer', faults.twice(1)],
];

const timed = /never comes|byte by byte/;

describe.each(all)('%s', (name, fault) => {
  it('before the start, in the middle, at the end and during a cancel loses and doubles nothing', async () => {
    const stage = await Stage.open();
    const times = timed.test(name) ? 1 : 2;
    const order = (rule: Rule) => stage.proxy.inject(fault, { times, ...rule });
    const orders = [
      order({ method: 'GET' }),
      order({ method: 'PUT', carrying: /"Jobs":null/ }),
      order({ method: 'PUT', carrying: /line 1"/ }),
      order({ method: 'PUT', carrying: /line 40"/ }),
      order({ method: 'PUT', carrying: /"Status":"success"/ }),
    ];
    const talk = await stage.task('talk');
    const runner = await stage.start();
    await stage.expectComplete(talk, 'success', 'talk');

    const wait = await stage.task('wait');
    await stage.line(wait, 'waiting');
    orders.push(
      order({ method: 'PUT', carrying: /"Status":"stopp/ }),
      order({ method: 'PUT', carrying: /"Status":"stopped"/ }),
      order({ method: 'GET' }),
    );
    await stage.server.call('POST', `/api/project/1/tasks/${wait}/stop`);
    await stage.expectComplete(wait, 'stopped', 'wait', ['Task was stopped.']);
    expect(orders.filter(({ hits }) => hits > 0).length).toBeGreaterThanOrEqual(7);
    runner.drain();
    expect(await runner.ended).toBe(0);
  });
});

describe('answers to earlier requests, repeated', () => {
  it('run no task twice, and lose nothing', async () => {
    const stage = await Stage.open();
    const id = await stage.task('talk');
    await stage.start();
    await eventually(() => stage.proxy.requests.some(({ answers }) => answers[0]?.body.includes('"new_jobs":[{')));
    stage.proxy.inject(faults.replay(), { method: 'GET', times: 20 });
    stage.proxy.inject(faults.replay(), { method: 'PUT', skip: 2, times: 5 });
    await stage.expectComplete(id, 'success', 'talk');
    await systemClock.sleep(300);
    expect(stage.jobsLeft()).toEqual([]);
    expect(await stage.server.status(id)).toBe('success');
  });
});
