export type { AppConfig, ProcessConfig, RunnerConfig, RunnerSection, SshConfig } from './types.ts';
