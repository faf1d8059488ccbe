import * as fc from 'fast-check';
import type { AccessKey, JobData, RunnerState, TaskStatus } from '../../src/protocol/ui/index.ts';

/** Random jobs, keys and answers, made of values that survive a round trip (no zero where zero means "not given"). */

const id = fc.integer({ min: 1, max: 2 ** 40 });
const text = fc.string({ unit: 'grapheme', maxLength: 12 });
const given = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
const flag = fc.boolean();
const texts = fc.array(text, { maxLength: 3 });

/** A record whose optional fields are there or not. */
function some<T>(model: { [Key in keyof T]: fc.Arbitrary<T[Key]> }) {
  return fc.record<T, never>(model, { requiredKeys: [] });
}

const anyStatus: TaskStatus[] = [
  'waiting',
  'starting',
  'running',
  'stopping',
  'waiting_confirmation',
  'confirmed',
  'rejected',
];

const ansible = {
  params: fc
    .tuple(
      fc.record({ debug: flag, dryRun: flag, diff: flag, skipGalaxyInstall: flag }),
      some({ debugLevel: fc.integer({ min: 1, max: 6 }), limit: texts, tags: texts, skipTags: texts }),
    )
    .map(([always, optional]) => ({ kind: 'ansible' as const, ...always, ...optional })),
  taskParams: fc.record({
    kind: fc.constant('ansible' as const),
    allowDebug: flag,
    allowOverrideInventory: flag,
    allowOverrideLimit: flag,
    allowOverrideTags: flag,
    allowOverrideSkipTags: flag,
    limit: texts,
    tags: texts,
    skipTags: texts,
    skipGalaxyInstall: flag,
    allowOverrideSkipGalaxyInstall: flag,
    hideDryRun: flag,
    hideDiff: flag,
    galaxyRoleArgs: texts,
    galaxyCollectionArgs: texts,
  }),
  app: fc.constantFrom('ansible', undefined),
};

const terraform = {
  params: fc.record({
    kind: fc.constant('terraform' as const),
    plan: flag,
    destroy: flag,
    autoApprove: flag,
    upgrade: flag,
    reconfigure: flag,
  }),
  taskParams: fc.record({
    kind: fc.constant('terraform' as const),
    allowDestroy: flag,
    allowAutoApprove: flag,
    autoApprove: flag,
    overrideBackend: flag,
    backendFilename: text,
  }),
  app: fc.constantFrom('terraform', 'tofu', 'terragrunt'),
};

const other = {
  params: fc.constant({ kind: 'other' as const }),
  taskParams: fc.constant({ kind: 'other' as const }),
  app: fc.constantFrom('bash', 'python', 'powershell', 'pulumi', 'my-tool'),
};

const vault = fc
  .tuple(
    fc.record({ id, projectId: id, templateId: id, type: fc.constantFrom('password' as const, 'script' as const) }),
    some({ vaultKeyId: id, name: given, script: given }),
  )
  .map(([always, optional]) => ({ ...always, ...optional }));

const surveyVar = fc
  .tuple(
    fc.record({
      name: text,
      title: text,
      required: flag,
      type: fc.constantFrom('', 'int', 'enum', 'secret', 'select'),
      values: fc.array(fc.record({ name: text, value: text }), { maxLength: 2 }),
    }),
    some({ target: fc.constant('env'), description: given, defaultValue: fc.oneof(text, texts) }),
  )
  .map(([always, optional]) => ({ ...always, ...optional }));

const repository = fc.record({ id, name: text, projectId: id, gitUrl: text, gitBranch: text, sshKeyId: id });

const task = fc
  .tuple(
    fc.record({
      id,
      templateId: id,
      projectId: id,
      status: fc.constantFrom('waiting' as const, 'starting' as const),
      playbook: text,
      created: fc.constant('2026-10-10T08:15:59Z'),
    }),
    some({
      templateName: given,
      environment: given,
      secret: given,
      arguments: given,
      gitBranch: given,
      userId: id,
      scheduleId: id,
      message: given,
      commitHash: given,
      buildTaskId: id,
      workflowRunId: id,
      version: given,
      inventoryId: id,
    }),
  )
  .map(([always, optional]) => ({ ...always, ...optional }));

const template = fc
  .tuple(
    fc.record({
      id,
      projectId: id,
      repositoryId: id,
      environmentIds: fc.array(id, { maxLength: 3 }),
      name: text,
      playbook: text,
      allowOverrideArgsInTask: flag,
      vaults: fc.array(vault, { maxLength: 2 }),
      type: fc.constantFrom('' as const, 'build' as const, 'deploy' as const),
      autorun: flag,
      surveyVars: fc.array(surveyVar, { maxLength: 2 }),
      suppressSuccessAlerts: flag,
      suppressErrorAlerts: flag,
      tasks: fc.nat(),
      allowOverrideBranchInTask: flag,
      allowParallelTasks: flag,
    }),
    some({
      inventoryId: id,
      environmentId: id,
      workingDirectory: given,
      arguments: given,
      description: given,
      startVersion: given,
      gitBranch: given,
      runnerTag: given,
      executorImage: given,
    }),
  )
  .map(([always, optional]) => ({ ...always, ...optional }));

const byApp = fc.oneof(
  fc.record(ansible).map(({ params, taskParams, app }) => ({ params, taskParams, app })),
  fc.record(terraform).map(({ params, taskParams, app }) => ({ params, taskParams, app })),
  fc.record(other).map(({ params, taskParams, app }) => ({ params, taskParams, app })),
);

export const anyJob: fc.Arbitrary<JobData> = fc
  .record({
    byApp,
    task,
    template,
    fixed: fc.record({
      username: text,
      alias: text,
      repository,
      inventory: fc.record({
        id,
        name: text,
        projectId: id,
        inventory: text,
        type: fc.constantFrom('static', 'file', ''),
      }),
      environment: fc.record({
        id,
        name: text,
        projectId: id,
        json: text,
        secrets: fc.array(
          fc.record({ id, type: fc.constantFrom('var' as const, 'env' as const), name: text, secret: text }),
          { maxLength: 2 },
        ),
      }),
      hostConfigs: fc.array(
        fc.record({
          id,
          projectId: id,
          type: fc.constantFrom('host' as const, 'url' as const),
          host: text,
          sshKeyId: id,
        }),
        { maxLength: 2 },
      ),
    }),
    optional: some({ incomingVersion: given, inventoryRepository: repository, jwt: given }),
  })
  .map((parts) => ({
    ...parts.fixed,
    ...parts.optional,
    task: { ...parts.task, params: parts.byApp.params },
    template: {
      ...parts.template,
      taskParams: parts.byApp.taskParams,
      ...(parts.byApp.app === undefined ? {} : { app: parts.byApp.app }),
    },
  }));

export const anyKey: fc.Arbitrary<Omit<AccessKey, 'id'>> = fc.record({
  name: text,
  type: fc.constantFrom('ssh' as const, 'none' as const, 'login_password' as const, 'string' as const),
  projectId: id,
  string: text,
  loginPassword: fc.record({ login: text, password: text }),
  ssh: fc.record({ login: text, passphrase: text, privateKey: text }),
  overrideSecret: flag,
});

export const anyState: fc.Arbitrary<RunnerState> = fc
  .record({
    currentJobs: fc.array(fc.record({ id, status: fc.constantFrom(...anyStatus) }), { maxLength: 3 }),
    newJobs: fc.array(anyJob, { maxLength: 3 }),
    keys: fc.array(fc.tuple(id, anyKey), { maxLength: 4 }),
    clear: fc.option(fc.option(id, { nil: undefined }), { nil: null }),
  })
  .map(({ currentJobs, newJobs, keys, clear }) => ({
    currentJobs,
    newJobs,
    accessKeys: new Map(keys.map(([keyId, key]) => [keyId, { ...key, id: keyId }])),
    clearCache: clear !== null,
    cacheCleanProjectId: clear ?? undefined,
    problems: [],
  }));

/** Changes an answer in ways that must not matter: casing of keys, unknown keys, null instead of a missing key. */
export function disfigure(value: unknown, random: { next: () => number }, isKeyMap = false): unknown {
  if (Array.isArray(value)) return value.map((item) => disfigure(item, random));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => [
    shuffleCase(key, random),
    disfigure(item, random, key === 'access_keys'),
  ]);
  // Keys of `access_keys` are ids; every other object may grow.
  if (!isKeyMap && random.next() < 0.5) entries.push([`x_new_${Math.floor(random.next() * 9)}`, { any: [1, 'thing'] }]);
  if (!isKeyMap && random.next() < 0.3) entries.unshift(['unknown', null]);
  return Object.fromEntries(entries);
}

function shuffleCase(key: string, random: { next: () => number }): string {
  return Array.from(key, (letter) => (random.next() < 0.5 ? letter.toUpperCase() : letter.toLowerCase())).join('');
}
