export { containersProvider, type ContainersProviderOptions } from './containers.ts';
export { Executors, type MakeProvider } from './executors.ts';
export { localProvider, type LocalProviderOptions } from './local.ts';
export { providerMaker, type ProviderParts } from './make-provider.ts';
export { ownerOf } from './owner.ts';
export {
  recordedExecutor,
  type Beginning,
  type ExecutorKind,
  type ExecutorProvider,
  type RecordedExecutor,
  type TaskExecutor,
  type TaskRequest,
} from './types.ts';
