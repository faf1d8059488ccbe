import type * as z from 'zod';
import { choice, int, model, text } from './wire.ts';

/** A key for another host or URL that git may need (spec 4.8, servers from 2.20 on). */
export const hostConfigSchema = model({
  id: int,
  projectId: int,
  type: choice(['host', 'url'], 'host'),
  /** A DNS name for `host`, an http(s) URL or prefix of one for `url`. */
  host: text,
  sshKeyId: int,
});

export type HostConfig = z.output<typeof hostConfigSchema>;
