export { startSshAgent, type SshAgent, type SshAgentOptions } from './agent.ts';
export { readKey, type AgentKey } from './key.ts';
export { sshArguments, sshCommand } from './options.ts';
