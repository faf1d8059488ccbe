import * as z from 'zod';
import { dataMap, flag, id, list, name, optionalText, strict, text } from './server-values.ts';

const terraformApps = ['terraform', 'tofu', 'terragrunt'];

/** Arguments of the tool: a list, or for the Terraform family a list per stage. */
const argumentsSchema = z
  .union(
    [z.array(z.string()), z.record(z.enum(['init', 'plan', 'apply', 'default']), z.array(z.string()).optional())],
    {
      error: 'expected a list of texts, or lists of texts under init, plan, apply or default',
    },
  )
  .nullish()
  .transform((value) => (value ? JSON.stringify(value) : undefined))
  .meta({
    description:
      'Arguments for the tool: a list of texts; for the Terraform family also `{ init: […], plan: […], apply: […], default: […] }`.',
  });

const surveyVarSchema = strict({
  name: text('Name of the variable.'),
  title: optionalText('Question that a user sees. Default: the name.'),
  description: optionalText('Explanation of the question.'),
  type: z
    .enum(['', 'string', 'int', 'enum', 'secret', 'text', 'select'])
    .default('')
    .meta({ description: 'Kind of the answer.' }),
  target: z.enum(['', 'env']).default('').meta({ description: '`env` passes the answer as an environment variable.' }),
  required: flag(false, 'A task without an answer is refused.'),
  values: list(strict({ name: text('Label.'), value: z.string() }), 'Choices of the types enum and select.'),
  default_value: z
    .union([z.string(), z.array(z.string())])
    .nullish()
    .transform((value) => value ?? undefined)
    .meta({ description: 'Answer when none is given.' }),
}).transform((survey) => ({
  name: survey.name,
  title: survey.title ?? survey.name,
  description: survey.description,
  type: survey.type === 'string' ? ('' as const) : survey.type,
  target: survey.target,
  required: survey.required,
  values: survey.values,
  defaultValue: survey.default_value,
}));

const vaultSchema = strict({
  id,
  name: optionalText('Vault id of Ansible. Default: default.'),
  key: optionalText('Name of a login_password key that holds the password.'),
  script: optionalText('Path of a password client script in the repository, instead of a key.'),
}).refine((vault) => (vault.key === undefined) !== (vault.script === undefined), {
  error: 'expected either key or script',
});

const taskParamsSchemas = {
  ansible: strict({
    allow_debug: z.boolean().optional(),
    allow_override_inventory: z.boolean().optional(),
    allow_override_limit: z.boolean().optional(),
    allow_override_tags: z.boolean().optional(),
    allow_override_skip_tags: z.boolean().optional(),
    limit: z.array(z.string()).optional(),
    tags: z.array(z.string()).optional(),
    skip_tags: z.array(z.string()).optional(),
    skip_galaxy_install: z.boolean().optional(),
    allow_override_skip_galaxy_install: z.boolean().optional(),
    hide_dry_run: z.boolean().optional(),
    hide_diff: z.boolean().optional(),
    galaxy_role_args: z.array(z.string()).optional(),
    galaxy_collection_args: z.array(z.string()).optional(),
  }),
  terraform: strict({
    allow_destroy: z.boolean().optional(),
    allow_auto_approve: z.boolean().optional(),
    auto_approve: z.boolean().optional(),
    override_backend: z.boolean().optional(),
    backend_filename: z
      .string()
      .regex(/^[a-zA-Z0-9_\-.]+\.tf$/, { error: 'expected a file name that ends in .tf' })
      .optional(),
  }),
  other: strict({}),
};

/** Which set of `task_params` an app understands. */
export function taskParamsKind(app: string): keyof typeof taskParamsSchemas {
  if (app === 'ansible') return 'ansible';
  return terraformApps.includes(app) ? 'terraform' : 'other';
}

export const templateSchema = strict({
  id,
  name,
  description: optionalText('Shown beside the name.'),
  app: z
    .string()
    .regex(/^[A-Za-z0-9_.-]+$/, {
      error:
        'expected ansible, terraform, tofu, terragrunt, bash, python, powershell, pulumi, or the name of another app of the runners',
    })
    .default('ansible')
    .meta({
      description:
        'Tool: ansible, terraform, tofu, terragrunt, bash, python, powershell, pulumi, or any app that the runners configure.',
    }),
  playbook: z
    .string()
    .default('')
    .meta({ description: 'File of the repository for Ansible and scripts; directory for the Terraform family.' }),
  working_directory: optionalText('Ansible only: directory of the repository in which the playbook runs.'),
  repository: text('Name of the repository.'),
  inventory: optionalText('Name of the inventory. Default: for Ansible: localhost.'),
  variable_groups: list(z.string(), 'Names of variable groups; a later one wins.'),
  arguments: argumentsSchema,
  allow_override_args_in_task: flag(false, 'A task may bring its own arguments.'),
  allow_override_branch_in_task: flag(false, 'A task may choose another branch.'),
  allow_parallel_tasks: flag(false, 'Several tasks of this template may run at the same time.'),
  git_branch: optionalText('Branch, when it is not the one of the repository.'),
  type: z
    .enum(['', 'task', 'build', 'deploy'])
    .default('')
    .meta({ description: '`build` numbers its tasks, `deploy` runs what a build made.' }),
  start_version: optionalText('For type build: version of the first task, for example 1.0.0.'),
  build_template: optionalText('For type deploy: name of the build template.'),
  autorun: flag(false, 'For type deploy: runs after every successful build.'),
  survey_vars: list(surveyVarSchema, 'Questions that a task answers with `environment`.'),
  vaults: list(vaultSchema, 'Passwords of Ansible vaults.'),
  suppress_success_alerts: flag(false, 'Shown to clients of the API; this server sends no alerts.'),
  suppress_error_alerts: flag(false, 'Shown to clients of the API; this server sends no alerts.'),
  runner_tag: optionalText('Only runners with this tag take the tasks.'),
  executor_image: optionalText('Image for runners that run tasks in containers.'),
  task_params: dataMap(
    'Defaults and permissions that depend on the app, such as `allow_debug`, `tags` or `auto_approve`.',
  ),
})
  .superRefine((template, ctx) => {
    const params = taskParamsSchemas[taskParamsKind(template.app)].safeParse(template.task_params);
    for (const issue of params.error?.issues ?? []) ctx.addIssue({ ...issue, path: ['task_params', ...issue.path] });
    if (template.playbook === '' && taskParamsKind(template.app) !== 'terraform') {
      ctx.addIssue({
        code: 'custom',
        path: ['playbook'],
        message: `is missing: an app such as ${template.app} needs the file it runs`,
      });
    }
    if (template.type === 'deploy' && template.build_template === undefined) {
      ctx.addIssue({
        code: 'custom',
        path: ['build_template'],
        message: 'is missing: a template of type deploy names the template that builds',
      });
    }
    if (template.type === 'build' && template.start_version === undefined) {
      ctx.addIssue({
        code: 'custom',
        path: ['start_version'],
        message: 'is missing: a template of type build needs the version of its first task, for example 1.0.0',
      });
    }
  })
  .transform((template) => ({
    id: template.id,
    name: template.name,
    description: template.description,
    app: template.app,
    playbook: template.playbook,
    workingDirectory: template.working_directory,
    repository: template.repository,
    inventory: template.inventory,
    variableGroups: template.variable_groups,
    arguments: template.arguments,
    allowOverrideArgsInTask: template.allow_override_args_in_task,
    allowOverrideBranchInTask: template.allow_override_branch_in_task,
    allowParallelTasks: template.allow_parallel_tasks,
    gitBranch: template.git_branch,
    type: template.type === 'task' ? ('' as const) : template.type,
    startVersion: template.start_version,
    buildTemplate: template.build_template,
    autorun: template.autorun,
    surveyVars: template.survey_vars,
    vaults: template.vaults,
    suppressSuccessAlerts: template.suppress_success_alerts,
    suppressErrorAlerts: template.suppress_error_alerts,
    runnerTag: template.runner_tag,
    executorImage: template.executor_image,
    taskParams: template.task_params,
  }));

/** Settings of one run (spec 4.1, `params`); those that the app does not know have no effect. */
const taskParamsOfRun = strict({
  debug: z.boolean().optional(),
  debug_level: z.int().min(1).max(6).optional(),
  dry_run: z.boolean().optional(),
  diff: z.boolean().optional(),
  limit: z.array(z.string()).optional(),
  tags: z.array(z.string()).optional(),
  skip_tags: z.array(z.string()).optional(),
  skip_galaxy_install: z.boolean().optional(),
  plan: z.boolean().optional(),
  destroy: z.boolean().optional(),
  auto_approve: z.boolean().optional(),
  upgrade: z.boolean().optional(),
  reconfigure: z.boolean().optional(),
});

/** What a schedule passes to its tasks; the same as a user may give when starting one. */
const scheduledTaskSchema = strict({
  message: optionalText('Shown beside the task.'),
  environment: dataMap('Answers to survey variables, and further variables.'),
  arguments: argumentsSchema,
  git_branch: optionalText('Branch, where the template allows it.'),
  inventory: optionalText('Name of another inventory, where the template allows it.'),
  params: taskParamsOfRun
    .optional()
    .meta({ description: 'Settings of this run that depend on the app, such as `tags`, `dry_run` or `plan`.' }),
})
  .prefault({})
  .transform((task) => ({
    message: task.message,
    environment: task.environment,
    arguments: task.arguments,
    gitBranch: task.git_branch,
    inventory: task.inventory,
    params: task.params ?? {},
  }));

export const scheduleSchema = strict({
  id,
  name,
  template: text('Name of the template.'),
  cron: text(
    'When: five fields (minute hour day month weekday), or six with seconds first, or @daily and the like.',
    '0 3 * * *',
  ),
  timezone: optionalText('Time zone, for example Europe/Berlin. Default: the `timezone` of the file.'),
  active: flag(true, 'False keeps the schedule without running it.'),
  task: scheduledTaskSchema.meta({ description: 'What its tasks are given.' }),
}).transform((schedule) => ({
  id: schedule.id,
  name: schedule.name,
  template: schedule.template,
  cron: schedule.cron,
  timezone: schedule.timezone,
  active: schedule.active,
  task: schedule.task,
}));
