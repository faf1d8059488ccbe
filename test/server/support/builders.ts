import type { Catalog, Project, Template } from '../../../src/server/catalog/types.ts';
import type { RunnerRecord, TaskRecord } from '../../../src/server/store/records.ts';

/** Records and a catalogue as plain values, for the pure parts of the server. */

export function taskRecord(id: number, changes: Partial<TaskRecord> = {}): TaskRecord {
  return {
    id,
    projectId: 1,
    templateId: 1,
    status: 'waiting',
    template: { name: 'T', playbook: 'x.sh', type: '', app: 'bash' },
    playbook: '',
    environment: '',
    arguments: undefined,
    gitBranch: undefined,
    inventoryId: undefined,
    params: { kind: 'other' },
    hasSecrets: false,
    message: '',
    userName: '',
    scheduleId: undefined,
    buildTaskId: undefined,
    version: undefined,
    created: '2026-01-01T00:00:00.000Z',
    start: undefined,
    end: undefined,
    commit: undefined,
    outputs: undefined,
    runnerId: undefined,
    assigned: undefined,
    runnerStartedAt: undefined,
    stopping: undefined,
    forced: false,
    ...changes,
  };
}

export function runnerRecord(id: number, changes: Partial<RunnerRecord> = {}): RunnerRecord {
  return {
    id,
    projectId: undefined,
    name: `r${id}`,
    tags: [],
    webhook: undefined,
    maxParallelTasks: 0,
    active: true,
    isDefault: true,
    tokenHash: 'aa',
    registration: undefined,
    created: '2026-01-01T00:00:00.000Z',
    touched: '2026-01-01T12:00:00.000Z',
    startedAt: undefined,
    cleaningRequested: undefined,
    ...changes,
  };
}

export function template(id: number, changes: Partial<Template> = {}): Template {
  return {
    id,
    projectId: 1,
    name: `T${id}`,
    description: undefined,
    app: 'bash',
    playbook: 'x.sh',
    workingDirectory: undefined,
    repositoryId: 1,
    inventoryId: undefined,
    variableGroupIds: [],
    arguments: undefined,
    allowOverrideArgsInTask: false,
    allowOverrideBranchInTask: false,
    allowParallelTasks: true,
    gitBranch: undefined,
    type: '',
    startVersion: undefined,
    buildTemplateId: undefined,
    autorun: false,
    surveyVars: [],
    vaults: [],
    suppressSuccessAlerts: false,
    suppressErrorAlerts: false,
    runnerTag: undefined,
    executorImage: undefined,
    taskParams: { kind: 'other' },
    ...changes,
  };
}

export function catalog(
  parts: {
    templates?: readonly Template[];
    projects?: readonly Partial<Project>[];
    inventories?: Catalog['inventories'];
  } = {},
): Catalog {
  const projects = (parts.projects ?? [{ id: 1 }, { id: 2 }]).map((project): Project => ({
    id: 1,
    name: 'P',
    alert: false,
    alertChat: undefined,
    maxParallelTasks: 0,
    ...project,
  }));
  return {
    projects: new Map(projects.map((project) => [project.id, project])),
    keys: new Map(),
    repositories: new Map(),
    inventories: parts.inventories ?? new Map(),
    variableGroups: new Map(),
    templates: new Map((parts.templates ?? [template(1)]).map((item) => [item.id, item])),
    schedules: new Map(),
  };
}
