export { type AccessKey } from './access-key.ts';
export { type AppKind, appKind } from './app.ts';
export { type Environment, type EnvironmentSecret } from './environment.ts';
export { type HostConfig } from './host-config.ts';
export { type Inventory } from './inventory.ts';
export { type JobData } from './job.ts';
export { redactUrl, type Repository, repositoryType, type RepositoryType } from './repository.ts';
export {
  type CurrentJob,
  decodeRunnerState,
  type EncodableRunnerState,
  encodeRunnerState,
  type RunnerState,
} from './runner-state.ts';
export { isFinished, isTaskStatus, type TaskStatus } from './status.ts';
export {
  type AnsibleTaskParams,
  type AnsibleTemplateParams,
  type TaskParams,
  type TemplateTaskParams,
  type TerraformTaskParams,
  type TerraformTemplateParams,
} from './task-params.ts';
export { type Task } from './task.ts';
export { type SurveyVar, type Template, type TemplateVault } from './template.ts';
export { type JobReport, ProgressBody } from './progress-encoder.ts';
export { decodeProgress, type LogRecord, type Progress, type ProgressJob } from './progress.ts';
export { decodeRegistration, encodeRegistration, type Registration } from './registration.ts';
export { readParams, readTemplateParams, writeParams } from './params-by-app.ts';
export {
  encodeLogEvent,
  encodeOutputLine,
  encodeRunner,
  encodeTask,
  encodeUpdateEvent,
  type RunnerView,
  type TaskView,
} from './rest-answers.ts';
export {
  encodeEnvironment,
  encodeInventory,
  encodeKey,
  encodeProject,
  encodeRepository,
  encodeSchedule,
  encodeTemplate,
} from './rest-objects.ts';
export {
  decodeActive,
  decodeNewTask,
  decodeRunnerChanges,
  decodeStop,
  type NewTask,
  type RunnerChanges,
} from './rest-requests.ts';
export { UiRunnerClient, type UiRunnerClientOptions } from './client.ts';
export { probeServer, type ProbeOptions } from './probe.ts';
