import * as z from 'zod';
import {
  dataMap,
  environmentMap,
  id,
  list,
  name,
  optionalText,
  resolvePath,
  secret,
  strict,
  text,
  type ServerFileContext,
} from './server-values.ts';

/** Names of variables, where tools and shells must accept them. */
const variableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, {
  error: 'expected a name of letters, digits and _ that does not start with a digit',
});

export function keySchema(context: ServerFileContext) {
  const common = { id, name };
  return z
    .discriminatedUnion(
      'type',
      [
        strict({
          ...common,
          type: z
            .literal('ssh')
            .meta({ description: 'A private key, for git over ssh and for the hosts of an inventory.' }),
          login: optionalText('User name for the hosts; empty leaves it to the inventory.'),
          passphrase: secret(context, 'Passphrase of the private key.').optional(),
          private_key: secret(context, 'Private key in PEM or OpenSSH format.'),
        }),
        strict({
          ...common,
          type: z.literal('login_password').meta({ description: 'User name and password, or a token as password.' }),
          login: optionalText('User name; may be empty where a token alone is enough.'),
          password: secret(context, 'Password or token.'),
        }),
        strict({
          ...common,
          type: z.literal('string').meta({ description: 'A single secret text.' }),
          value: secret(context, 'The text.'),
        }),
        strict({ ...common, type: z.literal('none').meta({ description: 'No credentials.' }) }),
      ],
      { error: 'expected type: ssh, login_password, string or none' },
    )
    .transform((key) => ({
      id: key.id,
      name: key.name,
      type: key.type,
      login: 'login' in key ? (key.login ?? '') : '',
      password: 'password' in key ? key.password : '',
      passphrase: 'passphrase' in key ? (key.passphrase ?? '') : '',
      privateKey: 'private_key' in key ? key.private_key : '',
      value: 'value' in key ? key.value : '',
    }));
}

export function repositorySchema(context: ServerFileContext) {
  return strict({
    id,
    name,
    git_url: text(
      'URL or path: https://, ssh://, git@host:path, file://, or a directory (/path, ./path, ~/path) that is used in place.',
    ),
    git_branch: optionalText('Branch. Default: main.'),
    key: optionalText('Name of the key for git; none for public repositories.'),
  }).transform((repository) => {
    const local = /^(\/|\.{1,2}(\/|$)|~(\/|$))/.test(repository.git_url);
    return {
      id: repository.id,
      name: repository.name,
      gitUrl: local ? resolvePath(repository.git_url, context.baseDir) : repository.git_url,
      gitBranch: repository.git_branch ?? (local ? '' : 'main'),
      key: repository.key,
    };
  });
}

export const inventorySchema = strict({
  id,
  name,
  type: z
    .enum(['static', 'static-yaml', 'file', 'terraform-workspace', 'tofu-workspace', 'terragrunt-workspace'])
    .default('static')
    .meta({
      description: 'What `inventory` holds: INI text, YAML text, a path in a repository, or the name of a workspace.',
    }),
  inventory: z.string().meta({ description: 'The text, path or name.' }),
  key: optionalText('Name of the key for the hosts (or for module downloads of Terraform).'),
  become_key: optionalText('Name of a login_password key for privilege escalation.'),
  repository: optionalText('For type file: repository that holds the file, when it is not the one of the template.'),
  runner_tag: optionalText(
    'Runners with this tag take the tasks that use this inventory, unless the template names a tag.',
  ),
}).transform((inventory) => ({
  id: inventory.id,
  name: inventory.name,
  type: inventory.type,
  inventory: inventory.inventory,
  key: inventory.key,
  becomeKey: inventory.become_key,
  repository: inventory.repository,
  runnerTag: inventory.runner_tag,
}));

export function variableGroupSchema(context: ServerFileContext) {
  return strict({
    id,
    name,
    variables: dataMap(
      'Variables of the task: extra vars of Ansible, TF_VAR_ of Terraform, NAME=VALUE arguments of shell apps.',
    ),
    env: environmentMap('Environment variables of the process.'),
    secrets: list(
      strict({
        name: variableName.meta({ description: 'Name of the variable.' }),
        type: z
          .enum(['var', 'env'])
          .default('var')
          .meta({ description: 'Where it goes: among the variables or the environment.' }),
        value: secret(context, 'The value.'),
      }),
      'Variables that are passed so that they are not seen.',
    ),
  }).transform((group) => ({
    id: group.id,
    name: group.name,
    variables: group.variables,
    env: group.env,
    secrets: group.secrets,
  }));
}
