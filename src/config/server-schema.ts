import * as z from 'zod';
import { inventorySchema, keySchema, repositorySchema, variableGroupSchema } from './server-objects-schema.ts';
import { scheduleSchema, templateSchema } from './server-template-schema.ts';
import {
  flag,
  id,
  list,
  name,
  optionalText,
  resolvePath,
  secret,
  strict,
  text,
  whole,
  type ServerFileContext,
} from './server-values.ts';

/** Loopback: whoever wants more says so. */
const defaultListen = { host: '127.0.0.1', port: 3000 };

/** `3000`, `0.0.0.0:3000`, `[::1]:3000`, `name:3000`; undefined when it is none of these. */
export function parseListen(value: string | number): { host: string; port: number } | undefined {
  const match = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):)?(\d{1,5})$/.exec(String(value).trim());
  const port = Number(match?.[3]);
  if (!match || port > 65_535) return undefined;
  return { host: match[1] ?? match[2] ?? defaultListen.host, port };
}

function projectSchema(context: ServerFileContext) {
  return strict({
    id,
    name,
    alert: flag(false, 'Shown to clients of the API; this server sends no alerts.'),
    alert_chat: optionalText('Shown to clients of the API; this server sends no alerts.'),
    max_parallel_tasks: whole(
      { min: 0, max: 9999, byDefault: 0 },
      'Tasks of the project that run at the same time; 0 is no limit.',
    ),
    keys: list(keySchema(context), 'Credentials.'),
    repositories: list(repositorySchema(context), 'Where playbooks and scripts come from.'),
    inventories: list(inventorySchema, 'Hosts of Ansible, workspaces of Terraform.'),
    variable_groups: list(variableGroupSchema(context), 'Variables, shared by templates.'),
    templates: list(templateSchema, 'What can be run.'),
    schedules: list(scheduleSchema, 'What runs by itself.'),
  }).transform((project) => ({
    id: project.id,
    name: project.name,
    alert: project.alert,
    alertChat: project.alert_chat,
    maxParallelTasks: project.max_parallel_tasks,
    keys: project.keys,
    repositories: project.repositories,
    inventories: project.inventories,
    variableGroups: project.variable_groups,
    templates: project.templates,
    schedules: project.schedules,
  }));
}

function runnersSchema(context: ServerFileContext) {
  return strict({
    registration_token: secret(
      context,
      'Shared token with which runners register. Default: a generated one, kept in the data directory.',
    ).optional(),
    offline_timeout_sec: whole(
      { min: 5, max: 86_400, byDefault: 120 },
      'A runner that has not asked for so long gets no tasks.',
    ),
    task_fail_timeout_sec: whole(
      { min: 5, max: 604_800, byDefault: 420 },
      'Running tasks of a runner that is silent for so long fail; at least offline_timeout_sec.',
    ),
    reconcile_interval_sec: whole({ min: 1, max: 3600, byDefault: 30 }, 'How often lost tasks are looked for.'),
    clock_skew_sec: whole(
      { min: 0, max: 3600, byDefault: 60 },
      'By how much clocks of runners may differ from the clock of this server.',
    ),
  }).prefault({});
}

/** The whole server file. A function, because secrets are fetched from files and variables while it is read. */
export function serverFileSchema(context: ServerFileContext) {
  return strict({
    listen: z
      .union([z.string(), z.number()])
      .default(`${defaultListen.host}:${defaultListen.port}`)
      .transform((value, ctx) => {
        const parsed = parseListen(value);
        if (parsed) return parsed;
        ctx.addIssue({ code: 'custom', message: 'expected host:port or a port, for example 127.0.0.1:3000' });
        return z.NEVER;
      })
      .meta({ description: 'Address and port. Anything but loopback is reachable from the network.' }),
    public_url: z
      .url({ protocol: /^https?$/, error: 'expected a URL that starts with http:// or https://' })
      .optional()
      .meta({ description: 'URL under which runners reach the server, when it is not the one it listens on.' }),
    tls: z
      .strictObject({ cert_file: text('Certificate chain, PEM.'), key_file: text('Private key, PEM.') })
      .optional()
      .meta({ description: 'Serve HTTPS.' }),
    data_dir: optionalText('Directory of the state and the logs. Default: .semaphore-server beside this file.'),
    timezone: optionalText('Time zone of the schedules. Default: the one of the machine.'),
    api_tokens: list(
      strict({
        name,
        token: secret(context, 'At least 16 characters.').refine((token) => token.length >= 16, {
          error: 'expected at least 16 characters',
        }),
      }),
      'Tokens of the API; the name is shown as the user of a task. Default: one generated token, kept in the data directory.',
    ),
    runners: runnersSchema(context).meta({ description: 'How runners register and when they count as lost.' }),
    max_task_duration_sec: whole(
      { min: 0, max: 31_536_000, byDefault: 0 },
      'A task that runs longer fails; 0 is no limit.',
    ),
    stop_timeout_sec: whole(
      { min: 1, max: 86_400, byDefault: 300 },
      'A task that is to stop and whose runner does not say so for this long counts as stopped.',
    ),
    history_max_tasks: whole(
      { min: 1, max: 100_000, byDefault: 10_000 },
      'Finished tasks that are kept, with their logs; older ones are removed.',
    ),
    projects: list(projectSchema(context), 'The projects.'),
  }).transform((file) => ({
    listen: file.listen,
    publicUrl: file.public_url?.replace(/\/+$/, ''),
    tls: file.tls && {
      certFile: resolvePath(file.tls.cert_file, context.baseDir),
      keyFile: resolvePath(file.tls.key_file, context.baseDir),
    },
    dataDir: file.data_dir === undefined ? undefined : resolvePath(file.data_dir, context.baseDir),
    timezone: file.timezone,
    apiTokens: file.api_tokens,
    runners: {
      registrationToken: file.runners.registration_token,
      offlineTimeoutMs: file.runners.offline_timeout_sec * 1000,
      taskFailTimeoutMs: Math.max(file.runners.task_fail_timeout_sec, file.runners.offline_timeout_sec) * 1000,
      reconcileIntervalMs: file.runners.reconcile_interval_sec * 1000,
      clockSkewMs: file.runners.clock_skew_sec * 1000,
    },
    maxTaskDurationMs: file.max_task_duration_sec * 1000,
    stopTimeoutMs: file.stop_timeout_sec * 1000,
    historyMaxTasks: file.history_max_tasks,
    projects: file.projects,
  }));
}

/** A server file with its defaults; secrets are fetched, references are names. */
export type ServerConfig = z.output<ReturnType<typeof serverFileSchema>>;
export type ProjectConfig = ServerConfig['projects'][number];
export type KeyConfig = ProjectConfig['keys'][number];
export type RepositoryConfig = ProjectConfig['repositories'][number];
export type InventoryConfig = ProjectConfig['inventories'][number];
export type VariableGroupConfig = ProjectConfig['variableGroups'][number];
export type TemplateConfig = ProjectConfig['templates'][number];
export type SurveyVarConfig = TemplateConfig['surveyVars'][number];
export type ScheduleConfig = ProjectConfig['schedules'][number];

/** The JSON Schema of the server file, for editors. */
export function serverJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(serverFileSchema({ baseDir: '/', env: {} }), { io: 'input', unrepresentable: 'any' });
}
