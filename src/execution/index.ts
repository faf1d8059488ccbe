export { captureProcess } from './capture-process.ts';
export { findSetpriv, type Identity, setprivMissing } from './identity.ts';
export { JobDirectory, type JobEvent } from './job-directory.ts';
export { findTagged, sweepTagged } from './process-tree.ts';
export { runProcess, type RunProcessOptions } from './run-process.ts';
export { Seal } from './seal.ts';
export type { CaptureResult, ProcessResult, ProcessSpec, StopLadder } from './types.ts';
export { which, type WhichResult } from './which.ts';
