import * as z from 'zod';
import { environmentSchema } from './environment.ts';
import { hostConfigSchema } from './host-config.ts';
import { inventorySchema } from './inventory.ts';
import { readTaskAndTemplate, writeTaskAndTemplate } from './params-by-app.ts';
import { repositorySchema } from './repository.ts';
import { type Task, wireTaskSchema } from './task.ts';
import { type Template, wireTemplateSchema } from './template.ts';
import { model, nested, nullableNested, nullableText, optionalList, optionalText, text } from './wire.ts';

/** One task handed to a runner, with all it needs but the keys (spec 3.5). */
const wireJobSchema = model(
  {
    /** Who started the task; "" for schedules. */
    username: text,
    /** Version of the related build task. */
    incomingVersion: nullableText,
    /** Alias of the Terraform http backend, usually "". */
    alias: text,
    task: nested(wireTaskSchema),
    template: nested(wireTemplateSchema),
    inventory: nested(inventorySchema),
    inventoryRepository: nullableNested(repositorySchema),
    repository: nested(repositorySchema),
    environment: nested(environmentSchema),
    jwt: optionalText,
    hostConfigs: optionalList(hostConfigSchema),
  },
  { username: 'Username', incomingVersion: 'IncomingVersion', alias: 'Alias' },
);

type WireJob = z.output<typeof wireJobSchema>;

/** One task handed to a runner, with all it needs but the keys (spec 3.5). */
export type JobData = Omit<WireJob, 'task' | 'template'> & { task: Task; template: Template };

/** JobData (spec 3.5) with `params` and `task_params` read for the template's app. */
export const jobSchema = z.codec(wireJobSchema, z.custom<JobData>(), {
  decode: (wire, context) => {
    try {
      return { ...wire, ...readTaskAndTemplate(wire.task, wire.template) };
    } catch (error: unknown) {
      if (!(error instanceof z.ZodError)) throw error;
      context.issues.push(...error.issues.map((issue) => ({ ...issue, code: 'custom' as const, input: undefined })));
      return z.NEVER;
    }
  },
  encode: (job) => ({ ...job, ...writeTaskAndTemplate(job.task, job.template) }),
});
