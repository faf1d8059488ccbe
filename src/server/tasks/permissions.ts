import { UserError } from '../../lib/index.ts';
import type { NewTask } from '../../protocol/ui/index.ts';
import type { Template } from '../catalog/types.ts';

/**
 * Refuses what the template does not let a task change. Runners of newer versions would silently ignore it, and a task would
 * run on more hosts, or another branch, than its user believes; old ones would obey. Throws UserError that names the field and the
 * key that permits it.
 */
export function checkPermissions(template: Template, wanted: NewTask): void {
  const { taskParams, app } = template;
  const presets = taskParams.kind === 'ansible' ? taskParams : undefined;
  const params = wanted.params.kind === 'ansible' ? wanted.params : undefined;
  const terraform = wanted.params.kind === 'terraform' ? wanted.params : undefined;
  const allowed = taskParams.kind === 'terraform' ? taskParams : undefined;
  const differs = (value: unknown, preset: unknown): boolean =>
    value !== undefined && JSON.stringify(value) !== JSON.stringify(preset);

  const overrides: readonly [field: string, wanted: boolean, key: string, permitted: boolean | undefined][] = [
    [
      'arguments',
      wanted.arguments !== undefined && wanted.arguments !== '[]',
      'allow_override_args_in_task',
      template.allowOverrideArgsInTask,
    ],
    [
      'git_branch',
      differs(wanted.gitBranch, template.gitBranch),
      'allow_override_branch_in_task',
      template.allowOverrideBranchInTask,
    ],
    [
      'inventory_id',
      differs(wanted.inventoryId, template.inventoryId),
      'task_params.allow_override_inventory',
      app !== 'ansible' || presets?.allowOverrideInventory,
    ],
    ['limit', differs(params?.limit, presets?.limit), 'task_params.allow_override_limit', presets?.allowOverrideLimit],
    [
      'params.tags',
      differs(params?.tags, presets?.tags),
      'task_params.allow_override_tags',
      presets?.allowOverrideTags,
    ],
    [
      'params.skip_tags',
      differs(params?.skipTags, presets?.skipTags),
      'task_params.allow_override_skip_tags',
      presets?.allowOverrideSkipTags,
    ],
    ['dry_run', params?.dryRun === true, 'task_params.hide_dry_run: false', presets?.hideDryRun !== true],
    ['params.destroy', terraform?.destroy === true, 'task_params.allow_destroy', allowed?.allowDestroy],
    [
      'params.auto_approve',
      terraform?.autoApprove === true,
      'task_params.allow_auto_approve',
      allowed?.allowAutoApprove,
    ],
  ];
  for (const [field, isWanted, key, permitted] of overrides) {
    if (isWanted && permitted !== true) {
      throw new UserError(
        `${field} cannot be chosen for template "${template.name}"; its owner can permit it in the server file with ${key}`,
      );
    }
  }
}
