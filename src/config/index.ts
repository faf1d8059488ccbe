export { loadRunnerConfig, type LoadedConfig, type LoadRunnerConfigOptions } from './load.ts';
export type { AppConfig, ProcessConfig, RunnerConfig, RunnerSection, SshConfig } from './types.ts';
