import type { TaskParams, TaskStatus } from '../../protocol/ui/index.ts';

/** A task as it is kept: what was asked for and what became of it. Never changed in place. Times are RFC 3339 in UTC. */
export interface TaskRecord {
  readonly id: number;
  readonly projectId: number;
  readonly templateId: number;
  readonly status: TaskStatus;
  /** The template at the time, for lists of old tasks. */
  readonly template: {
    readonly name: string;
    readonly playbook: string;
    readonly type: '' | 'build' | 'deploy';
    readonly app: string;
  };
  /** What the task overrides; "" and undefined leave the template's. */
  readonly playbook: string;
  /** JSON object text, without the answers to secret questions. */
  readonly environment: string;
  readonly arguments: string | undefined;
  readonly gitBranch: string | undefined;
  readonly inventoryId: number | undefined;
  readonly params: TaskParams;
  /** There are answers to secret questions, kept apart from this record until the task is finished. */
  readonly hasSecrets: boolean;
  readonly message: string;
  /** Who started it; "" for schedules and automatic runs. */
  readonly userName: string;
  readonly scheduleId: number | undefined;
  readonly buildTaskId: number | undefined;
  /** Version that a build makes, or that a deployment brings. */
  readonly version: string | undefined;
  readonly created: string;
  /** Last time it began to run (again after a confirmation). */
  readonly start: string | undefined;
  readonly end: string | undefined;
  readonly commit: { readonly hash: string; readonly message: string } | undefined;
  /** JSON document of outputs (spec 5.13). */
  readonly outputs: string | undefined;
  /** Runner it is, or was, assigned to. */
  readonly runnerId: number | undefined;
  /** When it was assigned. */
  readonly assigned: string | undefined;
  /** Start time of the runner's process that reported `running`. */
  readonly runnerStartedAt: string | undefined;
  /** Since when it is to stop. */
  readonly stopping: { readonly since: string; readonly timeoutMs: number } | undefined;
  /** Torn away from its runner by a forced stop. */
  readonly forced: boolean;
}

/** A runner as it is kept. */
export interface RunnerRecord {
  readonly id: number;
  /** Undefined: serves all projects. */
  readonly projectId: number | undefined;
  readonly name: string;
  readonly tags: readonly string[];
  readonly webhook: string | undefined;
  /** 0 is no limit. */
  readonly maxParallelTasks: number;
  readonly active: boolean;
  /** Takes tasks that ask for no tag. */
  readonly isDefault: boolean;
  /** SHA-256 of its token; undefined until it is registered. */
  readonly tokenHash: string | undefined;
  readonly registration: { readonly tokenHash: string; readonly expires: string } | undefined;
  readonly created: string;
  /** Last time it asked for work. */
  readonly touched: string | undefined;
  /** Start time of its process, from 2.19 on. */
  readonly startedAt: string | undefined;
  readonly cleaningRequested: string | undefined;
}

/** Kinds of objects that have ids of their own. */
export type IdKind =
  | 'project'
  | 'key'
  | 'repository'
  | 'inventory'
  | 'variable_group'
  | 'template'
  | 'schedule'
  | 'vault';

/** An id and the name it belongs to. */
export interface IdRecord {
  readonly kind: IdKind;
  /** Id of the project (of the template, for vaults); 0 for projects. */
  readonly scope: number;
  readonly name: string;
  readonly id: number;
  /** When it was first seen. */
  readonly created: string;
}

/** One line of the journal. */
export type StateRecord =
  | { readonly k: 'task'; readonly v: TaskRecord }
  | { readonly k: 'task-removed'; readonly id: number }
  | { readonly k: 'runner'; readonly v: RunnerRecord }
  | { readonly k: 'runner-removed'; readonly id: number }
  | { readonly k: 'id'; readonly v: IdRecord }
  /** Highest ids ever given, so that none is given twice. */
  | { readonly k: 'highest'; readonly ids: Readonly<Record<string, number>> };

/** Whether a line of the journal is one of ours. Its fields are not looked at: nobody else writes there. */
export function isStateRecord(value: unknown): value is StateRecord {
  return typeof value === 'object' && value !== null && 'k' in value && typeof value.k === 'string';
}
