import type {
  LoadedServerConfig,
  ProjectConfig,
  ServerConfig,
  ServerProblem,
  TemplateConfig,
} from '../../config/index.ts';
import { InternalError, UserError } from '../../lib/index.ts';
import { appKind, readTemplateParams } from '../../protocol/ui/index.ts';
import type { IdBook } from '../store/id-book.ts';
import type { IdKind } from '../store/records.ts';
import { scheduledTask } from '../tasks/new-task.ts';
import { checkPermissions } from '../tasks/permissions.ts';
import { assignIds } from './assign-ids.ts';
import { checkSchedules } from './check-schedules.ts';
import type { Catalog, Inventory, Key, Project, Repository, Schedule, Template, VariableGroup } from './types.ts';

/**
 * Makes the catalogue of a server file. Throws ConfigError for what only the server can know: ids that are taken, cron
 * expressions and time zones that do not exist.
 */
export function buildCatalog(loaded: LoadedServerConfig, ids: IdBook): Catalog {
  const problems = [...checkSchedules(loaded.config), ...assignIds(loaded.config, ids)];
  if (problems.length > 0) throw loaded.refuse(problems);
  const catalog = {
    projects: new Map<number, Project>(),
    keys: new Map<number, Key>(),
    repositories: new Map<number, Repository>(),
    inventories: new Map<number, Inventory>(),
    variableGroups: new Map<number, VariableGroup>(),
    templates: new Map<number, Template>(),
    schedules: new Map<number, Schedule>(),
  };
  for (const project of loaded.config.projects) addProject(catalog, project, ids);
  const impossible = schedulesWithoutPermission(loaded.config, catalog, ids);
  if (impossible.length > 0) throw loaded.refuse(impossible);
  return catalog;
}

/** Schedules that ask for what their template does not permit: each of their tasks would be refused. */
function schedulesWithoutPermission(config: ServerConfig, catalog: Catalog, ids: IdBook): ServerProblem[] {
  return config.projects.flatMap((project, index) =>
    project.schedules.flatMap(({ name }, item): ServerProblem[] => {
      const id = ids.find('schedule', ids.find('project', 0, project.name) ?? 0, name);
      const schedule = catalog.schedules.get(id ?? 0);
      const template = catalog.templates.get(schedule?.templateId ?? 0);
      if (!schedule || !template) return [];
      try {
        checkPermissions(template, scheduledTask(schedule, template));
        return [];
      } catch (error: unknown) {
        if (!(error instanceof UserError)) throw error;
        return [{ path: ['projects', index, 'schedules', item, 'task'], message: error.message }];
      }
    }),
  );
}

interface Mutable {
  projects: Map<number, Project>;
  keys: Map<number, Key>;
  repositories: Map<number, Repository>;
  inventories: Map<number, Inventory>;
  variableGroups: Map<number, VariableGroup>;
  templates: Map<number, Template>;
  schedules: Map<number, Schedule>;
}

function addProject(catalog: Mutable, config: ProjectConfig, ids: IdBook): void {
  const projectId = ids.get('project', 0, config.name);
  const idOf = (kind: IdKind, name: string): number => {
    const id = ids.find(kind, projectId, name);
    if (id === undefined) throw new InternalError(`${kind} "${name}" has no id`);
    return id;
  };
  const maybe = (kind: IdKind, name: string | undefined): number | undefined =>
    name === undefined ? undefined : idOf(kind, name);

  catalog.projects.set(projectId, {
    id: projectId,
    name: config.name,
    alert: config.alert,
    alertChat: config.alertChat,
    maxParallelTasks: config.maxParallelTasks,
  });
  for (const key of config.keys) {
    const id = idOf('key', key.name);
    catalog.keys.set(id, { ...key, id, projectId });
  }
  const none = config.keys.find(({ type }) => type === 'none');
  const noneId = none ? idOf('key', none.name) : ids.get('key', projectId, implicitKeyName);
  if (!none) catalog.keys.set(noneId, { ...implicitKey, id: noneId, projectId });
  for (const { key, ...repository } of config.repositories) {
    const id = idOf('repository', repository.name);
    catalog.repositories.set(id, { ...repository, id, projectId, keyId: maybe('key', key) ?? noneId });
  }
  for (const { key, becomeKey, repository, ...inventory } of config.inventories) {
    const id = idOf('inventory', inventory.name);
    catalog.inventories.set(id, {
      ...inventory,
      id,
      projectId,
      keyId: maybe('key', key),
      becomeKeyId: maybe('key', becomeKey),
      repositoryId: maybe('repository', repository),
    });
  }
  for (const group of config.variableGroups) {
    const id = idOf('variable_group', group.name);
    catalog.variableGroups.set(id, { ...group, id, projectId });
  }
  for (const {
    repository,
    inventory,
    variableGroups,
    buildTemplate,
    vaults,
    taskParams,
    ...template
  } of config.templates) {
    const id = idOf('template', template.name);
    catalog.templates.set(id, {
      ...template,
      id,
      projectId,
      repositoryId: idOf('repository', repository),
      inventoryId: maybe('inventory', inventory),
      variableGroupIds: variableGroups.map((name) => idOf('variable_group', name)),
      buildTemplateId: maybe('template', buildTemplate),
      vaults: vaults.map((vault) => ({ ...vaultOf(vault, id, ids), keyId: maybe('key', vault.key) })),
      taskParams: readTemplateParams(appKind(template.app), taskParams),
    });
  }
  for (const { template, task, ...schedule } of config.schedules) {
    const id = idOf('schedule', schedule.name);
    const { inventory, ...rest } = task;
    catalog.schedules.set(id, {
      ...schedule,
      id,
      projectId,
      templateId: idOf('template', template),
      task: { ...rest, inventoryId: maybe('inventory', inventory) },
    });
  }
}

function vaultOf(
  vault: TemplateConfig['vaults'][number],
  templateId: number,
  ids: IdBook,
): { id: number; name: string | undefined; script: string | undefined } {
  return { id: vault.id ?? ids.get('vault', templateId, vault.name ?? ''), name: vault.name, script: vault.script };
}

/** Stands in the book of ids for the key below; no name in a file is empty. */
const implicitKeyName = '';

/** The key without credentials that every project has: public repositories refer to it on the wire. */
const implicitKey = {
  name: 'None',
  type: 'none' as const,
  login: '',
  password: '',
  passphrase: '',
  privateKey: '',
  value: '',
};
