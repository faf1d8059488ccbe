export { startSshAgent, type SshAgent, type SshAgentOptions } from './agent.ts';
export { isHostName, isSshLogin, sshConfigFile, type SshHostBlock } from './host-config.ts';
export { readKey, type AgentKey } from './key.ts';
export { sshArguments, sshCommand } from './options.ts';
