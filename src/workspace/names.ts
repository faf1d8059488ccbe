import { createHash } from 'node:crypto';

/** Names of directories and files below `tmp_path` (spec 5.4). Pure: the same input gives the same name, in any process. */

/** What a checkout is of. */
export interface CheckoutOf {
  repositoryId: number;
  templateId: number;
  /** Effective branch; a checkout is never moved from one branch to another. */
  branch: string;
}

export function projectName(projectId: number): string {
  return `project_${projectId}`;
}

/** `repository_<repo>_template_<template>_<branch part>`. */
export function checkoutName({ repositoryId, templateId, branch }: CheckoutOf): string {
  return `repository_${repositoryId}_template_${templateId}_${branchPart(branch)}`;
}

/** Home of a template's tools. */
export function homeName(repositoryId: number, templateId: number): string {
  return `repository_${repositoryId}_template_${templateId}_home`;
}

/** What we note about a template's home, for instance which requirements are installed in it. */
export function internalName(repositoryId: number, templateId: number): string {
  return `repository_${repositoryId}_template_${templateId}_internal`;
}

/** Checkout of an inventory's own repository, for one template. */
export function inventoryCheckoutName(of: CheckoutOf, inventoryId: number): string {
  return `${checkoutName(of)}_inventory_${inventoryId}`;
}

/** The objects of one repository, shared by its checkouts. Another URL under the same id is another repository. */
export function mirrorName(repositoryId: number, url: string): string {
  return `mirror_${repositoryId}_${createHash('sha256').update(url).digest('hex').slice(0, 16)}`;
}

/** Everything that belongs to one task only: inventory, pipes, sockets. Removed with the task. */
export function taskName(taskId: number): string {
  return `task_${taskId}`;
}

/** `inventory_<inventory>_task_<task>[.yml]`: two tasks with one inventory never share a file (spec 7.1 #25). */
export function inventoryFileName(inventoryId: number, taskId: number, yaml: boolean): string {
  return `inventory_${inventoryId}_task_${taskId}${yaml ? '.yml' : ''}`;
}

/** Readable, and still different for `a/b` and `a-b`: 48 characters of the branch, then 16 bytes of its SHA-1 (spec 5.4). */
export function branchPart(branch: string): string {
  const readable = branch.replaceAll(/[^A-Za-z0-9._-]/g, '-').slice(0, 48);
  return `${readable}_${createHash('sha1').update(branch).digest('hex').slice(0, 32)}`;
}
