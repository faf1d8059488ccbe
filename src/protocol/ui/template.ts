import * as z from 'zod';
import type { TemplateTaskParams } from './task-params.ts';
import {
  anything,
  choice,
  int,
  list,
  model,
  nullableInt,
  nullableText,
  optionalFlag,
  optionalInt,
  optionalList,
  optionalText,
  optionalTexts,
  text,
} from './wire.ts';

/** A vault password or vault client script of a template (spec 4.3). */
export const templateVaultSchema = model({
  id: int,
  projectId: int,
  templateId: int,
  vaultKeyId: nullableInt,
  /** Vault id; undefined means `default`. */
  name: nullableText,
  /** Servers up to 2.10 know passwords only and send no type. */
  type: choice(['password', 'script'], 'password'),
  script: nullableText,
});

export type TemplateVault = z.output<typeof templateVaultSchema>;

const surveyValueSchema = model({ name: text, value: text });

/** A question asked before a run (spec 4.2). */
export const surveyVarSchema = model({
  name: text,
  title: text,
  required: optionalFlag,
  /** "" (string), `int`, `enum`, `secret`, `text`, `select`; newer servers may know more. */
  type: text,
  /** `env`: the answer is an environment variable instead of an extra variable. */
  target: optionalText,
  description: optionalText,
  values: optionalList(surveyValueSchema),
  defaultValue: optionalTexts,
});

export type SurveyVar = z.output<typeof surveyVarSchema>;

/** What to run and how (spec 4.2), as it is on the wire; `taskParams` is read once the app is known (job.ts). */
export const wireTemplateSchema = model({
  id: int,
  projectId: int,
  inventoryId: optionalInt,
  repositoryId: int,
  environmentIds: list(z.int()),
  /** Deprecated by `environmentIds`. */
  environmentId: nullableInt,
  name: text,
  /** File for Ansible and shell apps, directory for the Terraform family ("" is the repository root). */
  playbook: text,
  workingDirectory: optionalText,
  /** JSON array text (Terraform: or object of stages). */
  arguments: optionalText,
  allowOverrideArgsInTask: optionalFlag,
  description: optionalText,
  vaults: optionalList(templateVaultSchema),
  type: choice(['', 'build', 'deploy'], ''),
  startVersion: optionalText,
  buildTemplateId: optionalInt,
  viewId: optionalInt,
  autorun: optionalFlag,
  gitBranch: optionalText,
  surveyVars: optionalList(surveyVarSchema),
  suppressSuccessAlerts: optionalFlag,
  suppressErrorAlerts: optionalFlag,
  app: optionalText,
  tasks: int,
  taskParams: anything,
  runnerTag: optionalText,
  executorImage: optionalText,
  allowOverrideBranchInTask: optionalFlag,
  allowParallelTasks: optionalFlag,
});

export type WireTemplate = z.output<typeof wireTemplateSchema>;

/** What to run and how (spec 4.2), with `taskParams` for its app. */
export type Template = Omit<WireTemplate, 'taskParams'> & { taskParams: TemplateTaskParams };
