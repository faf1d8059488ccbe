import type {
  InventoryConfig,
  KeyConfig,
  ProjectConfig,
  RepositoryConfig,
  ScheduleConfig,
  TemplateConfig,
  VariableGroupConfig,
} from '../../config/index.ts';
import type { TemplateTaskParams } from '../../protocol/ui/index.ts';

/** What the server file declares, with ids instead of names. Replaced as a whole when the file is read again. */
export interface Catalog {
  readonly projects: ReadonlyMap<number, Project>;
  readonly keys: ReadonlyMap<number, Key>;
  readonly repositories: ReadonlyMap<number, Repository>;
  readonly inventories: ReadonlyMap<number, Inventory>;
  readonly variableGroups: ReadonlyMap<number, VariableGroup>;
  readonly templates: ReadonlyMap<number, Template>;
  readonly schedules: ReadonlyMap<number, Schedule>;
}

interface InProject {
  readonly id: number;
  readonly projectId: number;
}

export type Project = Pick<ProjectConfig, 'name' | 'alert' | 'alertChat' | 'maxParallelTasks'> & {
  readonly id: number;
};
export type Key = Omit<KeyConfig, 'id'> & InProject;
export type Repository = Omit<RepositoryConfig, 'id' | 'key'> & InProject & { readonly keyId: number };
export type Inventory = Omit<InventoryConfig, 'id' | 'key' | 'becomeKey' | 'repository'> &
  InProject & {
    readonly keyId: number | undefined;
    readonly becomeKeyId: number | undefined;
    readonly repositoryId: number | undefined;
  };
export type VariableGroup = Omit<VariableGroupConfig, 'id'> & InProject;
export type Template = Omit<
  TemplateConfig,
  'id' | 'repository' | 'inventory' | 'variableGroups' | 'buildTemplate' | 'vaults' | 'taskParams'
> &
  InProject & {
    readonly repositoryId: number;
    readonly inventoryId: number | undefined;
    readonly variableGroupIds: readonly number[];
    readonly buildTemplateId: number | undefined;
    readonly vaults: readonly Vault[];
    readonly taskParams: TemplateTaskParams;
  };
export interface Vault {
  readonly id: number;
  readonly name: string | undefined;
  readonly keyId: number | undefined;
  readonly script: string | undefined;
}
export type Schedule = Omit<ScheduleConfig, 'id' | 'template' | 'task'> &
  InProject & {
    readonly templateId: number;
    readonly task: Omit<ScheduleConfig['task'], 'inventory'> & { readonly inventoryId: number | undefined };
  };
