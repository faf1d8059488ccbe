import * as z from 'zod';
import { flag, list, model, nullableList, optionalInt, text } from './wire.ts';

/** Choices of one run of an Ansible task (spec 4.1 `params`). A list that is undefined was not given; `[]` was given, empty. */
export const ansibleParamsSchema = model({
  debug: flag,
  /** 1 to 6 times `-v`; undefined means the default of four. */
  debugLevel: optionalInt,
  dryRun: flag,
  diff: flag,
  limit: nullableList(z.string()),
  tags: nullableList(z.string()),
  skipTags: nullableList(z.string()),
  skipGalaxyInstall: flag,
});

/** Choices of one run of a Terraform, OpenTofu or Terragrunt task (spec 4.1 `params`). */
export const terraformParamsSchema = model({
  plan: flag,
  destroy: flag,
  autoApprove: flag,
  upgrade: flag,
  reconfigure: flag,
});

export type AnsibleTaskParams = { kind: 'ansible' } & z.output<typeof ansibleParamsSchema>;
export type TerraformTaskParams = { kind: 'terraform' } & z.output<typeof terraformParamsSchema>;
export type TaskParams = AnsibleTaskParams | TerraformTaskParams | { kind: 'other' };

/** What an Ansible template presets and permits (spec 4.2 `task_params`). */
export const ansibleTemplateParamsSchema = model({
  allowDebug: flag,
  allowOverrideInventory: flag,
  allowOverrideLimit: flag,
  allowOverrideTags: flag,
  allowOverrideSkipTags: flag,
  limit: list(z.string()),
  tags: list(z.string()),
  skipTags: list(z.string()),
  skipGalaxyInstall: flag,
  allowOverrideSkipGalaxyInstall: flag,
  hideDryRun: flag,
  hideDiff: flag,
  galaxyRoleArgs: list(z.string()),
  galaxyCollectionArgs: list(z.string()),
});

/** What a Terraform template presets and permits (spec 4.2 `task_params`). */
export const terraformTemplateParamsSchema = model({
  allowDestroy: flag,
  allowAutoApprove: flag,
  autoApprove: flag,
  overrideBackend: flag,
  backendFilename: text,
});

export type AnsibleTemplateParams = { kind: 'ansible' } & z.output<typeof ansibleTemplateParamsSchema>;
export type TerraformTemplateParams = { kind: 'terraform' } & z.output<typeof terraformTemplateParamsSchema>;
export type TemplateTaskParams = AnsibleTemplateParams | TerraformTemplateParams | { kind: 'other' };
