import { RefusedRequest, type RequestContext } from '../../http/index.ts';
import type { Access } from '../access.ts';
import type { Project } from '../catalog/types.ts';
import type { Core } from '../core.ts';
import type { Reconciler } from '../reconcile/reconciler.ts';
import type { Scheduler } from '../schedule/scheduler.ts';
import type { TaskBoard } from '../tasks/task-board.ts';
import type { TaskStarter } from '../tasks/task-starter.ts';

/** What the handlers of the REST API work with. */
export interface RestParts {
  core: Core;
  board: TaskBoard;
  starter: TaskStarter;
  scheduler: Scheduler;
  reconciler: Reconciler;
  access: () => Access;
  version: string;
}

/** An id in the path. Throws RefusedRequest 404 when it is none: there cannot be such an object. */
export function idIn(context: RequestContext, name: string): number {
  const text = context.params[name] ?? '';
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new RefusedRequest(404, `There is no ${label(name)} ${text.slice(0, 40)}`);
}

/** The object, or a refusal with 404. */
export function known<T>(object: T | undefined, what: string, id: number): T {
  if (object === undefined) throw new RefusedRequest(404, `There is no ${what} ${id}`);
  return object;
}

/** The project of the path. Throws RefusedRequest 404. */
export function projectOf(core: Core, context: RequestContext): Project {
  const id = idIn(context, 'pid');
  return known(core.catalog.projects.get(id), 'project', id);
}

function label(param: string): string {
  return param === 'pid' ? 'project' : param === 'rid' ? 'runner' : 'object';
}
