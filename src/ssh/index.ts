export { startSshAgent, type AgentHost, type SshAgent, type SshAgentOptions } from './agent.ts';
export { isHostName, isSshLogin, sshConfigFile, type SshHostBlock } from './host-config.ts';
export { readKey, type AgentKey } from './key.ts';
export { opensshKeyText } from './openssh-key.ts';
export { sshCommand } from './options.ts';
