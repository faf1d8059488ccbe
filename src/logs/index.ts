export { Follower, type FollowerOptions } from './follower.ts';
export { LogCursor, type LogBatch, type LogCursorOptions } from './log-cursor.ts';
export { createMasker, maskText, type Masker, type Span } from './masker.ts';
export { advance, formatRecordTime, RecordHead, type RecordTime } from './record-time.ts';
export { TimeMarks } from './time-marks.ts';
