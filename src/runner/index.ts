export {
  checkServer,
  checkToken,
  registerRunner,
  selfRegister,
  unregisterRunner,
  type RegistrationOptions,
  type SelfRegistrationOptions,
  type Unregistration,
  type UnregistrationOptions,
} from './registration.ts';
export { runRunner } from './run-runner.ts';
export type { RunRunnerOptions, ShutdownSignals } from './types.ts';
