import { randomBytes } from 'node:crypto';
import type { Exchange, HubState } from './types.ts';

/** Older exchanges are forgotten: a hub may run for days. */
const maxExchanges = 10_000;

/** What a hub knows that nobody has spoken to. */
export function newHubState(registrationToken = randomBytes(16).toString('hex')): HubState {
  return {
    registrationToken,
    logSecret: randomBytes(32),
    agents: [],
    gone: new Map(),
    jobs: [],
    violations: [],
    exchanges: [],
  };
}

export function recordExchange(state: HubState, exchange: Exchange): void {
  state.exchanges.push(exchange);
  if (state.exchanges.length > maxExchanges) state.exchanges.shift();
}
