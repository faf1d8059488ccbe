import type { Router } from '../../http/index.ts';
import { addAccount } from './account.ts';
import { addLive } from './live.ts';
import { addObjects } from './objects.ts';
import type { RestParts } from './parts.ts';
import { addRunners } from './runners.ts';
import { addTasks } from './tasks.ts';

/** The REST API and the WebSocket of semaphore-ui-api.md. */
export function addRestApi(router: Router, parts: RestParts): void {
  addAccount(router, parts);
  addObjects(router, parts);
  addTasks(router, parts);
  addRunners(router, parts);
  addLive(router, parts.core);
}
