export { assertNever } from './assert-never.ts';
export { isTemporaryName, writeFileAtomic, type WriteFileAtomicOptions, writeFileAtomicSync } from './atomic-file.ts';
export { Backoff, type BackoffOptions } from './backoff.ts';
export { ByteWriter } from './byte-writer.ts';
export { systemClock, type Clock } from './clock.ts';
export { lockDirectory, type DirectoryLock, type DirectoryLockOptions } from './directory-lock.ts';
export {
  codeOf,
  ConfigError,
  InternalError,
  messageOf,
  RemoteError,
  UserError,
  type ConfigErrorOptions,
  type RemoteErrorKind,
  type RemoteErrorOptions,
  type UserErrorOptions,
} from './errors.ts';
export { hideArguments } from './hide-arguments.ts';
export { hideEnvironment } from './hide-environment.ts';
export { parseOwnJson } from './own-json.ts';
export { processStartTime } from './process-start.ts';
export { removeTree } from './remove-tree.ts';
export { makeTemporaryDirectory } from './temporary-directory.ts';
export { shortageHint } from './shortage.ts';
export { inheritedUmask, restrictUmask } from './umask.ts';
export { urlCredentials, withoutUrlCredentials } from './url-credentials.ts';
