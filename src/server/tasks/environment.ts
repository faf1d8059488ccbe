import type { Environment } from '../../protocol/ui/index.ts';
import type { Catalog, Template, VariableGroup } from '../catalog/types.ts';
import type { TaskRecord } from '../store/records.ts';

/**
 * The variable groups of a template as the one object that a runner sees (spec 4.6): a later group wins, and what the task
 * brings wins over all.
 */
export function mergeEnvironment(
  template: Template,
  catalog: Catalog,
  task: Pick<TaskRecord, 'environment'>,
): Environment {
  const groups = groupsOf(template, catalog);
  const own: unknown = task.environment === '' ? {} : JSON.parse(task.environment);
  const variables = Object.assign({}, ...groups.map((group) => group.variables), own);
  const env = Object.assign({}, ...groups.map((group) => group.env));
  const secrets = new Map(
    groups.flatMap((group) => group.secrets).map((secret) => [`${secret.type} ${secret.name}`, secret]),
  );
  return {
    id: groups[0]?.id ?? 0,
    name: groups.map(({ name }) => name).join(', '),
    projectId: template.projectId,
    password: undefined,
    json: JSON.stringify(variables),
    env: Object.keys(env).length === 0 ? undefined : JSON.stringify(env),
    secrets: [...secrets.values()].map(({ name, type, value }, index) => ({
      id: index + 1,
      type,
      name,
      secret: value,
      operation: undefined,
    })),
  };
}

export function groupsOf(template: Template, catalog: Catalog): VariableGroup[] {
  return template.variableGroupIds.flatMap((id) => catalog.variableGroups.get(id) ?? []);
}
