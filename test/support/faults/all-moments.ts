import { expect } from 'vitest';
import type { Fault, Rule } from './proxy.ts';
import { Stage } from './stage.ts';

/**
 * A fault meets a task at every moment of its life, `times` times each: before it is there, in the middle, at its end, and
 * another one while it is cancelled. The server must end up with all that the tool wrote, in order and once.
 */
export async function meetAtAllMoments(fault: Fault, times: number): Promise<void> {
  const stage = await Stage.open();
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
}
