import { Seal } from '../../execution/index.ts';
import { parseOwnJson } from '../../lib/index.ts';
import type { ArtifactAccess, UploadPolicy } from './upload-policy.ts';

/** Goes up when a record of an earlier version cannot be understood any more. */
const format = 1;

/** What another agent needs to deliver the rest of a log after this one was killed. */
export interface DeliveryRecord {
  jobId: string;
  /** Undefined for a log that somebody fetches: nobody will know where. */
  push: { url: string; token: string; userAgent: string } | undefined;
  upload: { policy: UploadPolicy; access: ArtifactAccess | undefined };
}

/**
 * The record as it is on the disk. It holds two tokens, so it is encrypted with a key made from the agent's own token: who
 * steals the directory learns nothing without that.
 */
export function sealRecord(record: DeliveryRecord, sealToken: string): Buffer {
  return Seal.fromToken(sealToken).close(JSON.stringify({ format, ...record }));
}

/** Undefined when it was sealed with another token, damaged, or written by another version. */
export function openRecord(sealed: Buffer, sealToken: string): DeliveryRecord | undefined {
  const text = Seal.fromToken(sealToken).open(sealed);
  if (text === undefined) return undefined;
  const record = parseOwnJson<DeliveryRecord & { format: number }>(text);
  return record.format === format ? record : undefined;
}
