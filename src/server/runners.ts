import type { RunnerView } from '../protocol/ui/index.ts';
import { type Core, timestamp } from './core.ts';
import { isOnline } from './dispatch/online.ts';
import type { RunnerRecord } from './store/records.ts';
import { hashToken, newToken, oneTimePrefix } from './store/tokens.ts';

/** One-time registration tokens live for an hour (spec 3.4). */
const registrationLifetimeMs = 3_600_000;

export interface NewRunner {
  name: string;
  tags: readonly string[];
  projectId: number | undefined;
  webhook: string | undefined;
  /** 0 is no limit. */
  maxParallelTasks: number;
  active?: boolean | undefined;
  /** @default true for a runner without tags */
  isDefault?: boolean | undefined;
  /** Undefined for a place that a runner will claim with a one-time token. */
  token: string | undefined;
}

export function createRunner(core: Core, runner: NewRunner): RunnerRecord {
  return core.store.putRunner({
    id: core.store.reserveRunnerId(),
    projectId: runner.projectId,
    name: runner.name,
    tags: runner.tags,
    webhook: runner.webhook,
    maxParallelTasks: Math.max(0, runner.maxParallelTasks),
    active: runner.active ?? true,
    // Who says what it is for is not meant for everything.
    isDefault: runner.isDefault ?? runner.tags.length === 0,
    tokenHash: runner.token === undefined ? undefined : hashToken(runner.token),
    registration: undefined,
    created: timestamp(core.clock),
    touched: undefined,
    startedAt: undefined,
    cleaningRequested: undefined,
  });
}

/** Issues a token with which exactly this runner can be registered, once; an earlier one is void. */
export function issueRegistrationToken(core: Core, runner: RunnerRecord): { token: string; expires: string } {
  const token = `${oneTimePrefix}${newToken()}`;
  const expires = new Date(core.clock.now() + registrationLifetimeMs).toISOString();
  core.store.changeRunner(runner.id, { registration: { tokenHash: hashToken(token), expires } });
  return { token, expires };
}

export function viewRunner(core: Core, runner: RunnerRecord): RunnerView {
  return {
    ...runner,
    registered: runner.tokenHash !== undefined,
    online: isOnline(runner, core.clock.now(), core.config.runners.offlineTimeoutMs),
  };
}
