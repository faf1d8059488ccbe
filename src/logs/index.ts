export { Follower, type FollowerOptions } from './follower.ts';
export { LogCursor, type LogBatch, type LogCursorOptions } from './log-cursor.ts';
export { createMasker, maskText, type Masker } from './masker.ts';
export { advance, RecordTimeFormat, type RecordTime } from './record-time.ts';
export { TimeMarks } from './time-marks.ts';
