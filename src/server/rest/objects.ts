import { json, problem, RefusedRequest, type RequestContext, type RouteMethod, type Router } from '../../http/index.ts';
import {
  encodeEnvironment,
  encodeInventory,
  encodeKey,
  encodeProject,
  encodeRepository,
  encodeSchedule,
  encodeTask,
  encodeTemplate,
} from '../../protocol/ui/index.ts';
import type { Catalog, Project, Template } from '../catalog/types.ts';
import type { Core } from '../core.ts';
import { viewTask } from '../tasks/view.ts';
import { idIn, known, projectOf, type RestParts } from './parts.ts';

/** Projects and what is declared in them: readable here, changeable in the server file only. */
export function addObjects(router: Router, parts: RestParts): void {
  const { core, scheduler } = parts;
  const project = (item: Project): object =>
    encodeProject({ ...item, created: core.store.ids.owner('project', item.id)?.created ?? '' });
  router.route('GET', '/api/projects', () => json([...core.catalog.projects.values()].sort(byName).map(project)));
  router.route('GET', '/api/project/:pid', (context) => json(project(projectOf(core, context))));
  readOnly(router, '/api/projects', 'projects', ['POST']);
  readOnly(router, '/api/project/:pid', 'projects');

  const template = (item: Template): object => {
    const last = core.store.lastTaskOf(item.id);
    return encodeTemplate({
      ...item,
      tasks: core.store.countOf(item.id),
      lastTask: last && encodeTask(viewTask(last)),
    });
  };
  const sorted = (items: Template[], context: RequestContext): Template[] => sortTemplates(core, items, context.query);
  resource(router, core, {
    path: 'templates',
    what: 'template',
    of: (catalog) => catalog.templates,
    encode: template,
    sort: sorted,
  });
  resource(router, core, {
    path: 'inventory',
    what: 'inventory',
    of: (catalog) => catalog.inventories,
    encode: encodeInventory,
  });
  resource(router, core, {
    path: 'repositories',
    what: 'repository',
    of: (catalog) => catalog.repositories,
    encode: encodeRepository,
  });
  resource(router, core, {
    path: 'environment',
    what: 'variable group',
    of: (catalog) => catalog.variableGroups,
    encode: encodeEnvironment,
  });
  resource(router, core, { path: 'keys', what: 'key', of: (catalog) => catalog.keys, encode: encodeKey });
  resource(router, core, {
    path: 'schedules',
    what: 'schedule',
    of: (catalog) => catalog.schedules,
    encode: (item) => {
      const next = scheduler.next(item);
      return encodeSchedule({ ...item, next: next === undefined ? undefined : new Date(next).toISOString() });
    },
  });
}

interface Resource<Item> {
  path: string;
  what: string;
  of: (catalog: Catalog) => ReadonlyMap<number, Item>;
  encode: (item: Item) => object;
  sort?: (items: Item[], context: RequestContext) => Item[];
}

function resource<Item extends { id: number; projectId: number; name: string }>(
  router: Router,
  core: Core,
  kind: Resource<Item>,
): void {
  const base = `/api/project/:pid/${kind.path}`;
  router.route('GET', base, (context) => {
    const project = projectOf(core, context);
    const items = [...kind.of(core.catalog).values()].filter(({ projectId }) => projectId === project.id);
    return json((kind.sort?.(items, context) ?? items.sort(byName)).map(kind.encode));
  });
  router.route('GET', `${base}/:id`, (context) => {
    const project = projectOf(core, context);
    const id = idIn(context, 'id');
    const item = kind.of(core.catalog).get(id);
    return json(kind.encode(known(item?.projectId === project.id ? item : undefined, kind.what, id)));
  });
  readOnly(router, base, kind.path, ['POST']);
  readOnly(router, `${base}/:id`, kind.path);
}

/** Answers write verbs on declared objects with where to change them. */
function readOnly(
  router: Router,
  path: string,
  what: string,
  methods: readonly RouteMethod[] = ['POST', 'PUT', 'PATCH', 'DELETE'],
): void {
  for (const method of methods) {
    router.route(method, path, () => {
      const reply = problem(
        405,
        `The ${what} of this server are declared in its server.yaml; change them there and reload the server with SIGHUP`,
      );
      return { ...reply, headers: { ...reply.headers, allow: 'GET, HEAD' } };
    });
  }
}

function byName(a: { name: string; id: number }, b: { name: string; id: number }): number {
  return a.name.localeCompare(b.name, 'en') || a.id - b.id;
}

/** `sort` and `order` of the list of templates. */
function sortTemplates(core: Core, items: Template[], query: URLSearchParams): Template[] {
  const { inventories, repositories, variableGroups } = core.catalog;
  const columns: Readonly<Record<string, (item: Template) => string>> = {
    name: ({ name }) => name,
    playbook: ({ playbook }) => playbook,
    inventory: ({ inventoryId }) => inventories.get(inventoryId ?? 0)?.name ?? '',
    repository: ({ repositoryId }) => repositories.get(repositoryId)?.name ?? '',
    environment: ({ variableGroupIds }) => variableGroups.get(variableGroupIds[0] ?? 0)?.name ?? '',
  };
  const column = columns[query.get('sort') || 'name'];
  if (!column) throw new RefusedRequest(400, `sort: expected one of ${Object.keys(columns).join(', ')}`);
  const order = query.get('order') || 'asc';
  if (order !== 'asc' && order !== 'desc') throw new RefusedRequest(400, 'order: expected asc or desc');
  const direction = order === 'desc' ? -1 : 1;
  return items.sort((a, b) => direction * column(a).localeCompare(column(b), 'en') || byName(a, b));
}
