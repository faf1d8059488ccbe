import { expect, onTestFinished } from 'vitest';
import { type Hub, type HubOptions, startHub } from '../../src/agent/playground/hub/index.ts';
import { type Fault, FaultBook, type FaultOrder, type FaultRule } from './faults.ts';

export interface TestHub extends Hub {
  /** Spoils the next requests that fit. */
  fault(rule: FaultRule, fault: Fault): FaultOrder;
  /** Closes the hub and starts it again on the same port, with what it knows (or without, as after the loss of a database). */
  restart(options?: { keepState?: boolean }): Promise<TestHub>;
}

export interface TestHubOptions extends Omit<HubOptions, 'intercept'> {
  /** Violations are what the test is about. @default false */
  mayViolate?: boolean;
}

/** A hub on a free port that is closed with the test, which fails when an agent broke the protocol. */
export async function startTestHub(options: TestHubOptions = {}): Promise<TestHub> {
  const { mayViolate = false, ...rest } = options;
  const faults = new FaultBook();
  // With time that runs fast, a slow machine makes agents silent.
  const hub = await startHub({ forgetSilent: false, ...rest, intercept: faults.intercept });
  onTestFinished(async () => {
    await hub.close();
    if (!mayViolate) expect(hub.violations()).toEqual([]);
  });
  return {
    ...hub,
    fault: (rule, fault) => faults.add(rule, fault),
    restart: async ({ keepState = true } = {}) => {
      await hub.close();
      const { port, state, token } = hub;
      return await startTestHub({ ...options, port, ...(keepState ? { state } : { registrationToken: token }) });
    },
  };
}
