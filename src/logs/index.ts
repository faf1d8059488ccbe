export { Follower, type FollowerOptions } from './follower.ts';
export { LogCursor, type LogBatch, type LogCursorOptions } from './log-cursor.ts';
export { growingMask } from './masking/growing-mask.ts';
export { createMasker, type Masker } from './masking/masker.ts';
export { secretLines, worthMasking } from './masking/worth-masking.ts';
export { TimeMarks } from './time-marks.ts';
