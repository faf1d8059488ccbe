import type { ProjectConfig, ServerConfig, ServerProblem } from '../../config/index.ts';
import type { IdBook } from '../store/id-book.ts';
import type { IdKind } from '../store/records.ts';

/** Kinds of objects in a project, with their lists in the configuration and their keys in the file. */
const kinds = [
  { kind: 'key', list: 'keys', wire: 'keys' },
  { kind: 'repository', list: 'repositories', wire: 'repositories' },
  { kind: 'inventory', list: 'inventories', wire: 'inventories' },
  { kind: 'variable_group', list: 'variableGroups', wire: 'variable_groups' },
  { kind: 'template', list: 'templates', wire: 'templates' },
  { kind: 'schedule', list: 'schedules', wire: 'schedules' },
] as const;

interface Wanted {
  kind: IdKind;
  scope: number;
  name: string;
  id: number | undefined;
  path: readonly PropertyKey[];
}

/**
 * Gives every object its id, which stays with the name over edits of the file. Returns the problems instead, and changes
 * nothing, when an explicit `id:` belongs to another object of the file already.
 */
export function assignIds(config: ServerConfig, ids: IdBook): ServerProblem[] {
  const projects = config.projects.map((project, index): Wanted => ({
    kind: 'project',
    scope: 0,
    name: project.name,
    id: project.id,
    path: ['projects', index, 'id'],
  }));
  const conflicts = claimable(projects, ids);
  // Projects first: their ids are part of the identity of what is in them. New projects have nothing to conflict with.
  const objects = config.projects.flatMap((project, index) =>
    objectsOf(project, index, project.id ?? ids.find('project', 0, project.name)),
  );
  conflicts.push(...claimable(objects, ids));
  if (conflicts.length > 0) return conflicts;
  settle(projects, ids);
  settle(
    config.projects.flatMap((project, index) => objectsOf(project, index, ids.get('project', 0, project.name))),
    ids,
  );
  return [];
}

function objectsOf(project: ProjectConfig, index: number, projectId = 0): Wanted[] {
  return kinds.flatMap(({ kind, list, wire }) =>
    project[list].map(({ name, id }, item): Wanted => ({
      kind,
      scope: projectId,
      name,
      id,
      path: ['projects', index, wire, item, 'id'],
    })),
  );
}

/** Explicit ids that another name of the file got earlier. A name that is gone gives its id away. */
function claimable(objects: readonly Wanted[], ids: IdBook): ServerProblem[] {
  const others = new Map(objects.filter(({ id }) => id === undefined).map((object) => [nameOf(object), object]));
  return objects.flatMap(({ kind, id, path }) => {
    const owner = id === undefined ? undefined : ids.owner(kind, id);
    const other = owner && others.get(nameOf(owner));
    if (!other) return [];
    return [
      {
        path,
        message: `id ${id} belongs to "${other.name}" since an earlier start; choose another, or give "${other.name}" an id of its own`,
      },
    ];
  });
}

function settle(objects: readonly Wanted[], ids: IdBook): void {
  for (const { kind, scope, name, id } of objects) if (id !== undefined) ids.claim({ kind, scope, name, id });
  for (const { kind, scope, name } of objects) ids.get(kind, scope, name);
}

function nameOf({ kind, scope, name }: { kind: IdKind; scope: number; name: string }): string {
  return `${kind}\0${scope}\0${name}`;
}
