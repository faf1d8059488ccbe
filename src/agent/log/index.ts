export { FileLog } from './file-log.ts';
export { deliverLeftovers, type LeftoversOptions } from './leftovers.ts';
export { openJobLog, type OpenJobLogOptions, type PushOptions } from './open-job-log.ts';
export { PushedLog } from './pushed-log.ts';
export { openStateDirectory, stateDirectoryPath } from './state-directory.ts';
export { uploadPolicyOf, type UploadPolicy } from './upload-policy.ts';
