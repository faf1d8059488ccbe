import { join } from 'node:path';
import type { ServerConfig } from '../config/index.ts';
import type { Clock } from '../lib/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { type Core, createEvents } from './core.ts';
import { Store } from './store/store.ts';
import { TaskLogs } from './store/task-logs.ts';
import { TaskSecrets } from './store/task-secrets.ts';

/** Opens what earlier runs left in the data directory; the catalogue is still empty. What was opened is closed by `closers`. */
export async function openCore(
  parts: { dataDir: string; clock: Clock; logger: Logger; config: ServerConfig },
  closers: (() => Promise<void>)[],
): Promise<Core> {
  const { dataDir, clock, logger, config } = parts;
  const store = await Store.open({
    dir: join(dataDir, 'state'),
    clock,
    onCompactionError: (error) => logger.error('The state could not be compacted', { context: 'store', error }),
  });
  closers.push(() => store.close());
  const logs = await TaskLogs.open(join(dataDir, 'logs'), clock);
  closers.push(() => logs.close());
  const withSecrets = [...store.unfinished()].filter(({ hasSecrets }) => hasSecrets);
  const secrets = await TaskSecrets.open(
    join(dataDir, 'secrets'),
    withSecrets.map(({ id }) => id),
  );
  const catalog = {
    projects: new Map(),
    keys: new Map(),
    repositories: new Map(),
    inventories: new Map(),
    variableGroups: new Map(),
    templates: new Map(),
    schedules: new Map(),
  };
  return { clock, logger, store, logs, secrets, events: createEvents(), config, catalog, watchingSince: clock.now() };
}
