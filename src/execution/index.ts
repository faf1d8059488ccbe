export type { CaptureResult, ProcessResult, ProcessSpec, StopLadder } from './types.ts';
