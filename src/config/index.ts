export type { FileInjection, HostVariable } from './agent-items.ts';
export { readJobFile, type JobFile } from './agent-job-file.ts';
export { agentJsonSchema, agentKeyTable, type AgentOption } from './agent-keys.ts';
export { isUrlName } from './agent-name.ts';
export { loadAgentOptions, type AgentOptions, type LoadAgentOptions } from './agent-options.ts';
export { loadServeOptions, serveKeyTable, type ServeOptions } from './agent-serve-options.ts';
export { describeConfig, type DescribedKey } from './describe.ts';
export type { DockerExecutorConfig, ExecutorConfig, KubernetesExecutorConfig } from './executor-types.ts';
export { imagePattern } from './image-pattern.ts';
export { expectationOf, runnerKeyTable, type ConfigKey, type KeyTable, type SchemaNode } from './key-table.ts';
export { parseKubernetesYaml } from './kubernetes-yaml.ts';
export { loadRunnerConfig, type LoadedConfig, type LoadRunnerConfigOptions } from './load.ts';
export { changeConfigFile, changedText, type ConfigChange } from './rewrite.ts';
export type { AppConfig, ProcessConfig, RunnerConfig, RunnerSection, SshConfig, TaskLimits } from './types.ts';
export { loadServerConfig, type LoadedServerConfig } from './server-loader.ts';
export { nearestName, type ServerProblem } from './server-problems.ts';
export {
  parseListen,
  serverJsonSchema,
  type InventoryConfig,
  type KeyConfig,
  type ProjectConfig,
  type RepositoryConfig,
  type ScheduleConfig,
  type ServerConfig,
  type SurveyVarConfig,
  type TemplateConfig,
  type VariableGroupConfig,
} from './server-schema.ts';
