import type { KnownCause } from '../../causes.ts';
import { onTheMachine } from '../../tools-at.ts';

const tools = ['terraform', 'tofu', 'terragrunt'] as const;

/** Common causes in the words of Terraform and its relatives; the last tells the title of any other error. */
export const terraformCauses: readonly KnownCause[] = [
  {
    id: 'terraform-lock',
    tools,
    pattern: /Error acquiring the state lock/,
    cause: 'the state is locked',
    hint: 'Another run may hold the lock: wait for it. If none does, its ID is above: `terraform force-unlock ID`.',
  },
  {
    id: 'terraform-stale',
    tools,
    pattern: /Saved plan is stale/,
    cause: 'the state was changed by somebody else after the plan had been made',
    hint: 'Nothing was applied. Run the task again.',
  },
  {
    id: 'terraform-remote',
    tools,
    pattern: /Saving a generated plan is currently not supported/,
    cause: 'the backend runs plans elsewhere and cannot save them',
    hint: 'Set the execution mode of its workspace to local: what was confirmed could not be what is applied.',
  },
  {
    id: 'terraform-variable',
    tools,
    pattern: /(?:input variable|variable) "([^"]+)" is not set, and has no default/,
    cause: 'the variable $1 has no value',
    hint: "Add it to a variable group or the survey of the template, or give it with the template's arguments.",
  },
  {
    id: 'terraform-module',
    tools,
    pattern: /Failed to download module|Could not download module/,
    cause: 'a module cannot be fetched',
    hint: "For a private git repository the inventory needs an SSH key that may read it; else check the source, and the way from the runner's machine.",
  },
  {
    id: 'terraform-provider',
    tools,
    pattern: /Failed to (?:query available provider packages|install provider)|Could not (?:retrieve|connect to) /,
    cause: 'a provider cannot be installed',
    hint: "Check the way from the runner's machine to the registry; a proxy goes into env_vars or forwarded_env_vars.",
  },
  {
    id: 'terraform-version',
    tools,
    pattern: /Unsupported (?:Terraform|OpenTofu) Core version/,
    cause: 'the configuration wants another version of the tool',
    hint: `Install that version ${onTheMachine}, or set apps.<name>.path to it.`,
  },
  {
    id: 'terraform-workspace-variable',
    tools,
    pattern: /workspace is currently overridden using the TF_WORKSPACE/,
    cause: 'TF_WORKSPACE in the environment stands against the workspace of the inventory',
    hint: 'Remove it from the variable group, env_vars and forwarded_env_vars.',
  },
  {
    id: 'terraform-error',
    tools,
    pattern: /Error: (.+)/,
    cause: '$1',
    hint: 'The lines above tell more.',
  },
];
