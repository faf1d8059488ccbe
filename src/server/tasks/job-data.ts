import type { AccessKey, JobData } from '../../protocol/ui/index.ts';
import type { Catalog, Inventory, Key, Repository, Template } from '../catalog/types.ts';
import type { TaskRecord } from '../store/records.ts';
import { mergeEnvironment } from './environment.ts';

/** A task as its runner gets it, with the keys it needs and no others (spec 3.5, 4, 8.2). */
export interface PreparedJob {
  job: JobData;
  keys: AccessKey[];
}

export interface JobParts {
  task: TaskRecord;
  catalog: Catalog;
  /** JSON object text with the answers to secret questions. */
  secret: string | undefined;
  /** Version of the build that a deployment brings. */
  incomingVersion: string | undefined;
  /** How many tasks the template has had. */
  taskCount: number;
}

/** Builds the job; a text instead says why that cannot be done any more. */
export function prepareJob(parts: JobParts): PreparedJob | string {
  const { task, catalog } = parts;
  const template = catalog.templates.get(task.templateId);
  if (!template) return `the template "${task.template.name}" is no longer in the server file`;
  const repository = catalog.repositories.get(template.repositoryId);
  if (!repository) return 'the repository of the template is no longer in the server file';
  const inventoryId = task.inventoryId ?? template.inventoryId;
  const inventory = inventoryId === undefined ? undefined : catalog.inventories.get(inventoryId);
  if (inventoryId !== undefined && !inventory) return 'the inventory of the task is no longer in the server file';
  const inventoryRepository =
    inventory?.repositoryId === undefined ? undefined : catalog.repositories.get(inventory.repositoryId);

  const job: JobData = {
    username: task.userName,
    incomingVersion: parts.incomingVersion,
    alias: '',
    task: wireTask(task, parts.secret),
    template: wireTemplate(template, parts.taskCount),
    inventory: wireInventory(inventory, template),
    inventoryRepository: inventoryRepository && wireRepository(inventoryRepository),
    repository: wireRepository(repository),
    environment: mergeEnvironment(template, catalog, task),
    jwt: undefined,
    hostConfigs: [],
  };
  const wanted = [
    repository.keyId,
    inventory?.keyId,
    inventory?.becomeKeyId,
    inventoryRepository?.keyId,
    ...template.vaults.map(({ keyId }) => keyId),
  ];
  const keys = [...new Set(wanted)].flatMap((id) => {
    const key = id === undefined ? undefined : catalog.keys.get(id);
    return key ? [wireKey(key)] : [];
  });
  return { job, keys };
}

function wireTask(task: TaskRecord, secret: string | undefined): JobData['task'] {
  return {
    id: task.id,
    templateId: task.templateId,
    projectId: task.projectId,
    templateName: task.template.name,
    status: task.status,
    playbook: task.playbook,
    environment: task.environment === '' ? undefined : task.environment,
    secret,
    arguments: task.arguments,
    gitBranch: task.gitBranch,
    userId: undefined,
    integrationId: undefined,
    scheduleId: task.scheduleId,
    created: task.created,
    start: task.start,
    end: task.end,
    message: task.message === '' ? undefined : task.message,
    commitHash: undefined,
    commitMessage: undefined,
    buildTaskId: task.buildTaskId,
    workflowRunId: undefined,
    workflowNodeId: undefined,
    workflowTemplateId: undefined,
    // A deployment has the version of its build as the incoming one.
    version: task.template.type === 'build' ? task.version : undefined,
    inventoryId: task.inventoryId,
    artifacts: undefined,
    params: task.params,
  };
}

function wireTemplate(template: Template, tasks: number): JobData['template'] {
  const { id, projectId } = template;
  return {
    id,
    projectId,
    inventoryId: template.inventoryId,
    repositoryId: template.repositoryId,
    environmentIds: [...template.variableGroupIds],
    environmentId: template.variableGroupIds[0],
    name: template.name,
    playbook: template.playbook,
    workingDirectory: template.workingDirectory,
    arguments: template.arguments,
    allowOverrideArgsInTask: template.allowOverrideArgsInTask,
    description: template.description,
    vaults: template.vaults.map((vault) => ({
      id: vault.id,
      projectId,
      templateId: id,
      vaultKeyId: vault.keyId,
      name: vault.name,
      type: vault.script === undefined ? ('password' as const) : ('script' as const),
      script: vault.script,
    })),
    type: template.type,
    startVersion: template.startVersion,
    buildTemplateId: template.buildTemplateId,
    viewId: undefined,
    autorun: template.autorun,
    gitBranch: template.gitBranch,
    surveyVars: template.surveyVars.map((survey) => ({
      ...survey,
      target: survey.target === '' ? undefined : survey.target,
    })),
    suppressSuccessAlerts: template.suppressSuccessAlerts,
    suppressErrorAlerts: template.suppressErrorAlerts,
    app: template.app,
    tasks,
    runnerTag: template.runnerTag,
    executorImage: template.executorImage,
    allowOverrideBranchInTask: template.allowOverrideBranchInTask,
    allowParallelTasks: template.allowParallelTasks,
    taskParams: template.taskParams,
  };
}

/** Without an inventory, Ansible gets this machine: runners need one (spec 8.2). */
function wireInventory(inventory: Inventory | undefined, template: Template): JobData['inventory'] {
  const local = template.app === 'ansible' ? 'localhost ansible_connection=local' : '';
  return {
    id: inventory?.id ?? 0,
    name: inventory?.name ?? '',
    projectId: template.projectId,
    inventory: inventory?.inventory ?? local,
    sshKeyId: inventory?.keyId,
    becomeKeyId: inventory?.becomeKeyId,
    type: inventory?.type ?? 'static',
    templateId: undefined,
    repositoryId: inventory?.repositoryId,
    runnerTag: inventory?.runnerTag,
  };
}

function wireRepository(repository: Repository): JobData['repository'] {
  const { id, name, projectId, gitUrl, gitBranch, keyId } = repository;
  return { id, name, projectId, gitUrl, gitBranch, sshKeyId: keyId };
}

function wireKey(key: Key): AccessKey {
  const isSsh = key.type === 'ssh';
  return {
    id: key.id,
    name: key.name,
    type: key.type,
    projectId: key.projectId,
    string: key.value,
    loginPassword: { login: isSsh ? '' : key.login, password: key.password },
    ssh: {
      login: isSsh ? key.login : '',
      passphrase: key.passphrase,
      // Parsers of private keys insist on the last line break.
      privateKey: key.privateKey === '' || key.privateKey.endsWith('\n') ? key.privateKey : `${key.privateKey}\n`,
    },
    overrideSecret: false,
  };
}
