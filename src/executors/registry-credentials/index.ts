export { createDockerConfig, type DockerConfig } from './docker-config.ts';
export { logIn, type LogInOptions } from './log-in.ts';
export { registryAccount, type RegistryAccount, type RegistryAccountResult } from './registry-account.ts';
export {
  resolveCredential,
  type EncodedCredential,
  type RegistryCredential,
  type ResolvedCredential,
} from './resolve-credential.ts';
