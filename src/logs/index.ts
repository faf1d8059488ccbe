export { Follower, type FollowerOptions } from './follower.ts';
export { LogCursor, type LogBatch, type LogCursorOptions } from './log-cursor.ts';
export { createMasker, type Masker } from './masking/masker.ts';
export { TimeMarks } from './time-marks.ts';
