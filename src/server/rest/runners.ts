import { json, noContent, RefusedRequest, type RequestContext, type Router } from '../../http/index.ts';
import { decodeActive, decodeRunnerChanges, encodeRunner, type RunnerChanges } from '../../protocol/ui/index.ts';
import { createRunner, issueRegistrationToken, viewRunner } from '../runners.ts';
import { timestamp } from '../core.ts';
import type { RunnerRecord } from '../store/records.ts';
import { newToken } from '../store/tokens.ts';
import { idIn, known, projectOf, type RestParts } from './parts.ts';

/** Administration of runners (spec 8.6), for all of them and for those of one project. */
export function addRunners(router: Router, parts: RestParts): void {
  addRunnersAt(router, parts, '/api/runners', () => undefined);
  addRunnersAt(router, parts, '/api/project/:pid/runners', (context) => projectOf(parts.core, context).id);
  router.route('GET', '/api/runner_tags', () => json(countTags(parts.core.store.runners())));
}

/** `projectOfPath` gives the project whose runners a path is about, undefined for all. */
function addRunnersAt(
  router: Router,
  parts: RestParts,
  base: string,
  projectOfPath: (context: RequestContext) => number | undefined,
): void {
  const { core, reconciler } = parts;
  const { store } = core;
  const show = (runner: RunnerRecord, token?: string): object => encodeRunner(viewRunner(core, runner), token);
  const runnerOf = (context: RequestContext): RunnerRecord => {
    const projectId = projectOfPath(context);
    const id = idIn(context, 'rid');
    const runner = store.runner(id);
    return known(projectId === undefined || runner?.projectId === projectId ? runner : undefined, 'runner', id);
  };
  const changed = (): void => core.events.opportunity.emit('runner changed');

  router.route('GET', base, (context) => {
    const projectId = projectOfPath(context);
    const runners = [...store.runners()].filter((runner) => projectId === undefined || runner.projectId === projectId);
    return json(runners.map((runner) => show(runner)));
  });
  router.route('POST', base, async (context) => {
    const asked = decodeRunnerChanges(await context.body());
    const projectId = projectOfPath(context) ?? asked.projectId ?? undefined;
    checkProject(parts, projectId);
    const token = asked.registered === false ? undefined : newToken();
    const runner = createRunner(core, {
      name: asked.name ?? '',
      tags: asked.tags ?? [],
      projectId,
      webhook: asked.webhook || undefined,
      maxParallelTasks: asked.maxParallelTasks ?? 0,
      active: asked.active,
      isDefault: asked.isDefault,
      token,
    });
    changed();
    return json(show(runner, token), 201);
  });
  router.route('GET', `${base}/:rid`, (context) => json(show(runnerOf(context))));
  for (const method of ['PUT', 'POST'] as const) {
    router.route(method, `${base}/:rid`, async (context) => {
      const changes = decodeRunnerChanges(await context.body());
      checkProject(parts, changes.projectId ?? undefined);
      store.changeRunner(runnerOf(context).id, applied(changes));
      changed();
      return noContent();
    });
  }
  router.route('DELETE', `${base}/:rid`, (context) => {
    store.removeRunner(runnerOf(context).id);
    reconciler.look();
    return noContent();
  });
  router.route('POST', `${base}/:rid/active`, async (context) => {
    const active = decodeActive(await context.body());
    store.changeRunner(runnerOf(context).id, { active });
    changed();
    return noContent();
  });
  router.route('POST', `${base}/:rid/registration-token`, (context) => {
    const runner = runnerOf(context);
    if (runner.tokenHash !== undefined) throw new RefusedRequest(400, `Runner ${runner.id} is registered already`);
    const { token, expires } = issueRegistrationToken(core, runner);
    return json({ registration_token: token, expires });
  });
  const clearCache = (context: RequestContext) => {
    store.changeRunner(runnerOf(context).id, { cleaningRequested: timestamp(core.clock) });
    return noContent();
  };
  router.route('POST', `${base}/:rid/cache-clear`, clearCache);
  router.route('DELETE', `${base}/:rid/cache`, clearCache);
}

function checkProject({ core }: RestParts, projectId: number | undefined): void {
  if (projectId !== undefined && !core.catalog.projects.has(projectId))
    throw new RefusedRequest(400, `project_id: there is no project ${projectId}`);
}

/** What was said, of what may be said afterwards. */
function applied(changes: RunnerChanges): Partial<RunnerRecord> {
  const { name, tags, active, isDefault, maxParallelTasks, webhook, projectId } = changes;
  return {
    ...(name === undefined ? {} : { name }),
    ...(tags === undefined ? {} : { tags: tags ?? [] }),
    ...(active === undefined ? {} : { active }),
    ...(isDefault === undefined ? {} : { isDefault }),
    ...(maxParallelTasks === undefined ? {} : { maxParallelTasks }),
    ...(webhook === undefined ? {} : { webhook: webhook || undefined }),
    ...(projectId === undefined ? {} : { projectId: projectId ?? undefined }),
  };
}

function countTags(runners: Iterable<RunnerRecord>): object[] {
  const counts = new Map<string, number>();
  for (const { tags } of runners) for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  return [...counts].map(([tag, count]) => ({ tag, number_of_runners: count }));
}
