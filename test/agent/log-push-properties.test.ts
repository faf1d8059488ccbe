import { setTimeout as delay } from 'node:timers/promises';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Fault, drop, FastClock, half, html, late, silence, status } from '../ci-hub/index.ts';
import { assignJob, finishedLine, openPushed, outputLine } from './log-support.ts';

const faults: Readonly<Record<string, Fault>> = {
  accepted: status(201),
  bad: status(400),
  unauthorized: status(401),
  missing: status(404),
  large: status(413),
  busy: status(429, '', { 'retry-after': '1' }),
  broken: status(500),
  page: html(502, 'Bad Gateway'),
  cut: drop(),
  cutAfter: drop({ stored: true }),
  half: half({ stored: true }),
  late: late(30),
  // Ends when the request's time is over, which is too long for a test: the connection is cut a little later.
  silent: async (incoming, handle, response) => {
    setTimeout(() => response.destroy(), 40);
    return await silence({ stored: true })(incoming, handle, response);
  },
};

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), lines: fc.integer({ min: 1, max: 700 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('long' as const), bytes: fc.integer({ min: 1, max: 200_000 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pause' as const), ms: fc.integer({ min: 0, max: 15 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('fault' as const),
      name: fc.constantFrom(...Object.keys(faults)),
      times: fc.integer({ min: 1, max: 3 }),
      path: fc.constantFrom(/\/logs\//, /\/logs\//, /\/refresh/),
    }),
  },
);

it('whatever is written, and whatever goes wrong: the hub has the lines that were written, and none was sent again once it was acknowledged', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 14 }), async (steps) => {
      // The hub writes down what is sent again, what leaves a gap and what changes.
      const job = await assignJob({ mayViolate: true });
      const { log } = await openPushed(job, { clock: new FastClock(100) });
      const lines: string[] = [];
      const write = (line: string): void => {
        lines.push(line);
        log.write(line);
      };
      for (const each of steps) {
        if (each.kind === 'fault') {
          const fault = faults[each.name];
          if (fault) job.hub.fault({ method: 'POST', path: each.path, times: each.times }, fault);
        } else if (each.kind === 'pause') await delay(each.ms);
        else if (each.kind === 'long') write(outputLine('€'.repeat(each.bytes / 3)));
        else for (let index = 0; index < each.lines; index += 1) write(outputLine(`${lines.length} \u0000\n`));
      }
      write(finishedLine);
      await log.close();
      const shortened = (line: string): string => (line.length > 4000 ? 'long' : line);
      // A refusal for its size may hit a line that stands alone.
      const mayShorten = steps.some((each) => each.kind === 'fault' && each.name === 'large');
      const got = job.lines();
      expect(got.length).toBe(lines.length);
      expect(got.map(mayShorten ? shortened : String)).toEqual(lines.map(mayShorten ? shortened : String));
      // One that was taken, with an answer that was lost, and that was refused for its size when it came again.
      const mayDiffer = (text: string): boolean =>
        mayShorten && /^line \d+ was sent again with another content$/.test(text);
      expect(job.hub.violations().filter(({ text }) => !mayDiffer(text))).toEqual([]);
      await job.hub.close();
    }),
    { numRuns: 25, endOnFailure: true },
  );
}, 240_000);
