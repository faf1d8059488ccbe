import type { AnsibleTaskParams, AnsibleTemplateParams } from '../../../protocol/ui/index.ts';
import type { ExtraArguments } from '../../arguments.ts';

/** Everything that the command line of a playbook run depends on, with secrets already replaced by pipes. */
export interface PlaybookCommand {
  inventory: string;
  /** Configuration of ssh with keys for single hosts. */
  sshConfigFile?: string | undefined;
  user: string | undefined;
  connectionPasswordFile: string | undefined;
  becomeUser: string | undefined;
  becomePasswordFile: string | undefined;
  params: AnsibleTaskParams;
  templateParams: AnsibleTemplateParams;
  /** `--vault-id` values, `name@path`. */
  vaultIds: readonly string[];
  /** Files for `--extra-vars`; a later one wins. */
  extraVars: readonly string[];
  extra: ExtraArguments;
  /** Absolute path. */
  playbook: string;
}

/** The arguments of `ansible-playbook`, in the order of spec 5.7. */
export function playbookArguments(command: PlaybookCommand): string[] {
  const { params, templateParams } = command;
  return [
    '--inventory',
    command.inventory,
    ...option('--ssh-common-args', command.sshConfigFile && `-F ${wordOf(command.sshConfigFile)}`),
    ...option('--user', command.user),
    ...option('--connection-password-file', command.connectionPasswordFile),
    ...option('--become-user', command.becomeUser),
    ...option('--become-password-file', command.becomePasswordFile),
    ...verbosity(params, templateParams),
    ...(params.diff && !templateParams.hideDiff ? ['--diff'] : []),
    ...(params.dryRun && !templateParams.hideDryRun ? ['--check'] : []),
    ...command.vaultIds.map((id) => `--vault-id=${id}`),
    ...command.extraVars.flatMap((file) => ['--extra-vars', `@${file}`]),
    ...command.extra.template,
    ...selection('--limit', templateParams.limit, params.limit, templateParams.allowOverrideLimit),
    ...selection('--tags', templateParams.tags, params.tags, templateParams.allowOverrideTags),
    ...selection('--skip-tags', templateParams.skipTags, params.skipTags, templateParams.allowOverrideSkipTags),
    ...command.extra.task,
    command.playbook,
  ];
}

function option(name: string, value: string | undefined): string[] {
  return value === undefined ? [] : [name, value];
}

/** Ansible takes these arguments apart as a shell would. */
function wordOf(path: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

/** `-v` to `-vvvvvv`, four when the level is not given (spec 5.7, argument 7). */
function verbosity(params: AnsibleTaskParams, templateParams: AnsibleTemplateParams): string[] {
  if (!params.debug || !templateParams.allowDebug) return [];
  const level = params.debugLevel ?? 0;
  return [`-${'v'.repeat(level < 1 ? 4 : Math.min(level, 6))}`];
}

/** What the template presets, or what the task gives instead where that is allowed; an empty list gives none at all. */
function selection(
  name: string,
  preset: readonly string[],
  given: readonly string[] | undefined,
  allowed: boolean,
): string[] {
  const chosen = allowed && given !== undefined ? given : preset;
  return chosen.length === 0 ? [] : [`${name}=${chosen.join(',')}`];
}
