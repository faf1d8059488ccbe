import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/lib/index.ts';
import { meetAtAllMoments } from '../support/faults/all-moments.ts';
import * as faults from '../support/faults/faults.ts';
import type { Fault } from '../support/faults/proxy.ts';
import { Stage } from '../support/faults/stage.ts';
import { eventually } from '../support/runner.ts';

/** Servers, and what stands before them, that answer something else than they should. */

const httpDate = (): string => new Date(Date.now() + 1000).toUTCString();

const all: readonly [string, Fault][] = [
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
  ['a redirect', faults.redirect(307, 'http://127.0.0.1:9/api/internal/runners')],
];

describe('before the start, in the middle, at the end and during a cancel', () => {
  it.each(all)('%s loses and doubles nothing', async (_name, fault) => {
    await meetAtAllMoments(fault, 2);
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
