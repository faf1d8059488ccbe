import type * as z from 'zod';
import { int, model, nullableInt, optionalText, text } from './wire.ts';

/** Hosts of a task (spec 4.4); all zero when the template has none. The `holder_id` of servers up to 2.10 is not needed. */
export const inventorySchema = model({
  id: int,
  name: text,
  projectId: int,
  /** INI or YAML text, a path inside a repository, or a workspace name, as `type` says. */
  inventory: text,
  sshKeyId: nullableInt,
  becomeKeyId: nullableInt,
  /** `static`, `static-yaml`, `file`, `terraform-workspace`, `tofu-workspace`, `terragrunt-workspace`; "" when there is none. */
  type: text,
  templateId: nullableInt,
  repositoryId: nullableInt,
  runnerTag: optionalText,
});

export type Inventory = z.output<typeof inventorySchema>;
