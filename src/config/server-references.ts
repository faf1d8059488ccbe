import type { ServerProblem } from './server-problems.ts';
import type { ProjectConfig, ServerConfig, TemplateConfig } from './server-schema.ts';
import { taskParamsKind } from './server-template-schema.ts';

type Path = readonly PropertyKey[];

/** What a schema cannot see: names that lead nowhere, names and ids that occur twice, keys of the wrong type. */
export function checkReferences(config: ServerConfig): ServerProblem[] {
  return [
    ...duplicates(config.projects, ['projects'], 'project'),
    ...duplicates(config.apiTokens, ['api_tokens'], 'token'),
    ...sharedIds(config),
    ...config.projects.flatMap((project, index) => checkProject(project, ['projects', index])),
  ];
}

function checkProject(project: ProjectConfig, at: Path): ServerProblem[] {
  return [
    ...duplicates(project.keys, [...at, 'keys'], 'key'),
    ...duplicates(project.repositories, [...at, 'repositories'], 'repository'),
    ...duplicates(project.inventories, [...at, 'inventories'], 'inventory'),
    ...duplicates(project.variableGroups, [...at, 'variable_groups'], 'variable group'),
    ...duplicates(project.templates, [...at, 'templates'], 'template'),
    ...duplicates(project.schedules, [...at, 'schedules'], 'schedule'),
    ...project.repositories.flatMap((repository, index) =>
      keyReference(project, repository.key, [...at, 'repositories', index, 'key'], ['ssh', 'login_password', 'none']),
    ),
    ...project.inventories.flatMap((inventory, index) => {
      const here = [...at, 'inventories', index];
      return [
        ...keyReference(project, inventory.key, [...here, 'key'], ['ssh', 'login_password', 'none']),
        ...keyReference(project, inventory.becomeKey, [...here, 'become_key'], ['login_password', 'none']),
        ...reference('repository', project.repositories, inventory.repository, [...here, 'repository']),
      ];
    }),
    ...project.templates.flatMap((template, index) => checkTemplate(project, template, [...at, 'templates', index])),
    ...project.schedules.flatMap((schedule, index) => {
      const here = [...at, 'schedules', index];
      const template = project.templates.find(({ name }) => name === schedule.template);
      return [
        ...reference('template', project.templates, schedule.template, [...here, 'template']),
        ...reference('inventory', project.inventories, schedule.task.inventory, [...here, 'task', 'inventory']),
        ...(template ? unanswered(template, schedule.task.environment, [...here, 'task', 'environment']) : []),
      ];
    }),
  ];
}

function checkTemplate(project: ProjectConfig, template: TemplateConfig, at: Path): ServerProblem[] {
  const problems = [
    ...reference('repository', project.repositories, template.repository, [...at, 'repository']),
    ...reference('inventory', project.inventories, template.inventory, [...at, 'inventory']),
    ...template.variableGroups.flatMap((group, index) =>
      reference('variable group', project.variableGroups, group, [...at, 'variable_groups', index]),
    ),
    ...template.vaults.flatMap((vault, index) =>
      keyReference(project, vault.key, [...at, 'vaults', index, 'key'], ['login_password']),
    ),
    ...reference('template', project.templates, template.buildTemplate, [...at, 'build_template']),
  ];
  const build = project.templates.find(({ name }) => name === template.buildTemplate);
  if (build && build.type !== 'build') {
    problems.push({
      path: [...at, 'build_template'],
      message: `expected a template of type build; "${build.name}" is not one`,
    });
  }
  const inventory = project.inventories.find(({ name }) => name === template.inventory);
  const kind = taskParamsKind(template.app);
  if (inventory && kind !== 'other' && inventory.type.endsWith('-workspace') !== (kind === 'terraform')) {
    const expected = kind === 'terraform' ? `${template.app}-workspace` : 'static, static-yaml or file';
    problems.push({
      path: [...at, 'inventory'],
      message: `expected an inventory of type ${expected} for ${template.app}; "${inventory.name}" is ${inventory.type}`,
    });
  }
  return problems;
}

/** Required survey variables that a schedule leaves open: its tasks would all be refused. */
function unanswered(template: TemplateConfig, answers: Readonly<Record<string, unknown>>, path: Path): ServerProblem[] {
  return template.surveyVars
    .filter((survey) => survey.required && survey.defaultValue === undefined && !Object.hasOwn(answers, survey.name))
    .map((survey) => ({ path, message: `lacks ${survey.name}, which template "${template.name}" requires` }));
}

function keyReference(
  project: ProjectConfig,
  wanted: string | undefined,
  path: Path,
  types: readonly string[],
): ServerProblem[] {
  const key = project.keys.find(({ name }) => name === wanted);
  if (!key) return reference('key', project.keys, wanted, path);
  return types.includes(key.type)
    ? []
    : [{ path, message: `expected a key of type ${types.join(' or ')}; "${key.name}" is of type ${key.type}` }];
}

function reference(
  kind: string,
  known: readonly { name: string }[],
  wanted: string | undefined,
  path: Path,
): ServerProblem[] {
  if (wanted === undefined || known.some(({ name }) => name === wanted)) return [];
  return [{ path, message: `this project has no ${kind} "${wanted}"`, wanted, known: known.map(({ name }) => name) }];
}

function duplicates(items: readonly { name: string }[], at: Path, kind: string): ServerProblem[] {
  const seen = new Set<string>();
  return items.flatMap(({ name }, index) => {
    if (!seen.has(name)) {
      seen.add(name);
      return [];
    }
    return [{ path: [...at, index, 'name'], message: `another ${kind} has this name already` }];
  });
}

/** Ids are unique among all objects of a kind, whatever their project. */
function sharedIds(config: ServerConfig): ServerProblem[] {
  const kinds = [
    ['keys', 'keys'],
    ['repositories', 'repositories'],
    ['inventories', 'inventories'],
    ['variableGroups', 'variable_groups'],
    ['templates', 'templates'],
    ['schedules', 'schedules'],
  ] as const;
  const problems = repeated(config.projects.map(({ id }, index) => ({ id, path: ['projects', index, 'id'] })));
  for (const [kind, wire] of kinds) {
    problems.push(
      ...repeated(
        config.projects.flatMap((project, index) =>
          project[kind].map(({ id }, item) => ({ id, path: ['projects', index, wire, item, 'id'] })),
        ),
      ),
    );
  }
  return problems;
}

function repeated(items: readonly { id: number | undefined; path: Path }[]): ServerProblem[] {
  const seen = new Set<number>();
  return items.flatMap(({ id, path }) => {
    if (id === undefined) return [];
    if (seen.has(id)) return [{ path, message: 'another object of this kind has this id already' }];
    seen.add(id);
    return [];
  });
}
