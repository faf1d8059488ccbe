import { describe, it } from 'vitest';
import { meetAtAllMoments } from '../support/faults/all-moments.ts';
import * as faults from '../support/faults/faults.ts';
import type { Fault } from '../support/faults/proxy.ts';

/** Networks that lose, cut, delay and repeat. */

const all: readonly [string, Fault][] = [
  ['the connection is reset before the request arrives', faults.reset()],
  ['the connection is reset after the server stored the request', faults.reset({ stored: true })],
  ['an answer cut in the middle', faults.cutAnswer({ stored: true })],
  ['a chunked answer cut in the middle', faults.cutAnswer({ stored: true, chunked: true })],
  ['bytes that are no HTTP', faults.garbage()],
  ['an answer that never comes', faults.silence()],
  ['an answer that never comes to a request that was stored', faults.silence({ stored: true })],
  ['an answer that comes byte by byte', faults.slowAnswer(200)],
  ['a slow network', faults.latency(120)],
  ['duplicate delivery, first answer', faults.twice(0)],
  ['duplicate delivery, second answer', faults.twice(1)],
];

describe('before the start, in the middle, at the end and during a cancel', () => {
  it.each(all)('%s: nothing is lost or doubled', async (_name, fault) => {
    await meetAtAllMoments(fault, 1);
  });
});
