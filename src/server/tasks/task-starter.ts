import { UserError } from '../../lib/index.ts';
import type { NewTask } from '../../protocol/ui/index.ts';
import type { Template } from '../catalog/types.ts';
import { type Core, timestamp } from '../core.ts';
import type { TaskRecord } from '../store/records.ts';
import { groupsOf } from './environment.ts';
import { plainTask } from './new-task.ts';
import { checkPermissions } from './permissions.ts';
import { answerSurvey } from './survey.ts';
import type { TaskBoard } from './task-board.ts';
import { nextVersion } from './versions.ts';

/** Waiting tasks; more are refused, because a queue that long will not be worked off. */
const maxWaiting = 10_000;

export interface StartedBy {
  /** "" when nobody in person. */
  userName: string;
  scheduleId?: number;
}

/** Makes tasks out of what users, schedules and finished builds want. */
export class TaskStarter {
  readonly #core: Core;
  readonly #board: TaskBoard;

  constructor(core: Core, board: TaskBoard) {
    this.#core = core;
    this.#board = board;
    core.events.finished.on((task) => this.#autorun(task));
  }

  /** Throws UserError that names the field when the task is not possible. */
  async start(projectId: number, wanted: NewTask, by: StartedBy): Promise<TaskRecord> {
    const { catalog, clock, store, secrets } = this.#core;
    const template = catalog.templates.get(wanted.templateId);
    if (template?.projectId !== projectId)
      throw new UserError(`template_id: this project has no template ${wanted.templateId}`);
    if (wanted.inventoryId !== undefined && catalog.inventories.get(wanted.inventoryId)?.projectId !== projectId) {
      throw new UserError(`inventory_id: this project has no inventory ${wanted.inventoryId}`);
    }
    checkPermissions(template, wanted);
    const preset = Object.assign({}, ...groupsOf(template, catalog).map(({ variables }) => variables));
    const { environment, secret } = answerSurvey(template.surveyVars, wanted, preset);
    if (store.unfinishedCount >= maxWaiting)
      throw new UserError(`${maxWaiting} tasks are waiting already; this one was not added`);
    const versions = this.#versions(template, wanted.buildTaskId);

    const id = store.reserveTaskId();
    const hasSecrets = Object.keys(secret).length > 0;
    // Before the task: a crash in between leaves a file that nothing refers to, not a task without its secrets.
    if (hasSecrets) await secrets.put(id, JSON.stringify(secret));
    return this.#board.add({
      id,
      projectId,
      templateId: template.id,
      status: 'waiting',
      template: { name: template.name, playbook: template.playbook, type: template.type, app: template.app },
      playbook: wanted.playbook,
      environment: Object.keys(environment).length > 0 ? JSON.stringify(environment) : '',
      arguments: wanted.arguments,
      gitBranch: wanted.gitBranch,
      inventoryId: wanted.inventoryId,
      params: wanted.params,
      hasSecrets,
      message: wanted.message,
      userName: by.userName,
      scheduleId: by.scheduleId,
      buildTaskId: versions.buildTaskId,
      version: versions.version,
      created: timestamp(clock),
      start: undefined,
      end: undefined,
      commit: undefined,
      outputs: undefined,
      runnerId: undefined,
      assigned: undefined,
      runnerStartedAt: undefined,
      stopping: undefined,
      forced: false,
    });
  }

  /** A build gets the version after the last one; a deployment brings what a build made, the last successful one if none is named. */
  #versions(template: Template, buildTaskId: number | undefined): { version?: string; buildTaskId?: number } {
    const { store } = this.#core;
    if (template.type === 'build') {
      const last = store.lastTaskOf(template.id)?.version;
      return { version: last === undefined ? (template.startVersion ?? '1') : nextVersion(last) };
    }
    if (template.type !== 'deploy') return {};
    const build = buildTaskId === undefined ? this.#lastBuild(template) : store.task(buildTaskId);
    if (build?.templateId !== template.buildTemplateId || build?.status !== 'success') {
      throw new UserError(
        buildTaskId === undefined
          ? 'build_task_id: there is no successful build to deploy yet'
          : `build_task_id: task ${buildTaskId} is no successful build for this template`,
      );
    }
    return { buildTaskId: build.id, ...(build.version === undefined ? {} : { version: build.version }) };
  }

  #lastBuild(template: Template): TaskRecord | undefined {
    return [...this.#core.store.tasks()].findLast(
      ({ templateId, status }) => templateId === template.buildTemplateId && status === 'success',
    );
  }

  #autorun(build: TaskRecord): void {
    if (build.status !== 'success' || build.template.type !== 'build') return;
    for (const template of this.#core.catalog.templates.values()) {
      if (!template.autorun || template.buildTemplateId !== build.templateId) continue;
      const wanted = plainTask(template);
      this.start(
        template.projectId,
        { ...wanted, buildTaskId: build.id, message: `after build ${build.version ?? build.id}` },
        { userName: '' },
      ).catch((error: unknown) => {
        this.#core.logger.error('A deployment could not be started after its build', {
          context: 'tasks',
          template_id: template.id,
          error,
        });
      });
    }
  }
}
