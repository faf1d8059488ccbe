import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { localFiles } from '../../src/executors/local-place/files.ts';
import { processEnvironment } from '../../src/executors/local-place/process-environment.ts';
import { playbookArguments, type PlaybookCommand } from '../../src/tasks/apps/ansible/arguments.ts';
import { extraVarsFile } from '../../src/tasks/apps/ansible/extra-vars.ts';
import { galaxyArguments } from '../../src/tasks/apps/ansible/galaxy-arguments.ts';
import { ansibleCredentials } from '../../src/tasks/apps/ansible/keys.ts';
import { shellArguments, shellCommand } from '../../src/tasks/apps/shell.ts';
import { parseJson } from '../../src/tasks/json.ts';
import { detailVariables, identityVariables, taskDetails } from '../../src/tasks/task-details.ts';
import { readVariables } from '../../src/tasks/variables.ts';
import { tempDir } from '../support/temp-dir.ts';
import { delivered } from './support.ts';

describe('the command of a shell-type app', () => {
  const files = localFiles(undefined);

  it.each([
    ['bash', { command: 'bash', leading: [] }],
    ['python', { command: 'python3', leading: [] }],
    ['pulumi', { command: 'pulumi', leading: [] }],
    ['my-tool', { command: 'my-tool', leading: [] }],
    ['powershell', { command: 'powershell', leading: ['-File'] }],
  ])('%s', async (app, command) => {
    expect(await shellCommand(app, undefined, '/nowhere', files)).toEqual(command);
  });

  it('prefers pwsh where the tasks can see it', async () => {
    const bin = tempDir();
    writeFileSync(join(bin, 'pwsh'), '#!/bin/sh\n', { mode: 0o755 });
    expect(await shellCommand('powershell', undefined, bin, files)).toEqual({ command: 'pwsh', leading: ['-File'] });
  });

  it('is what the configuration says', async () => {
    const config = { path: '/opt/pwsh', args: ['-NoProfile', '-File'] };
    expect(await shellCommand('powershell', config, '', files)).toEqual({
      command: '/opt/pwsh',
      leading: ['-NoProfile', '-File'],
    });
    expect(await shellCommand('bash', { path: undefined, args: ['-x'] }, '', files)).toEqual({
      command: 'bash',
      leading: ['-x'],
    });
  });
});

describe('the arguments of a shell-type app', () => {
  it('stand in the order of spec 5.9, sorted by name, without semaphore_vars', () => {
    const { job } = delivered({
      task: { secret: '{"middle":"s"}' },
      environment: {
        json: '{"zone":"b","semaphore_vars":{},"area":"a b","big":1e6}',
        secrets: [
          { id: 2, type: 'var', name: 'two', secret: '2' },
          { id: 1, type: 'var', name: 'one', secret: '1' },
        ],
      },
    });
    const extra = { template: ['-t'], task: ['--last'] };
    expect(shellArguments('deploy.sh', readVariables(job), extra)).toEqual([
      'deploy.sh',
      'one=1',
      'two=2',
      '-t',
      'area=a b',
      'big=1000000',
      'middle=s',
      'zone=b',
      '--last',
    ]);
  });

  it('never let the script be an option', () => {
    const none = { open: {}, surveySecrets: {}, groupSecrets: {}, env: {} };
    expect(shellArguments('-c', none, { template: [], task: [] })).toEqual(['./-c']);
  });
});

describe('the arguments of ansible-playbook', () => {
  const command: PlaybookCommand = {
    inventory: '/p/inventory',
    user: undefined,
    connectionPasswordFile: undefined,
    becomeUser: undefined,
    becomePasswordFile: undefined,
    params: {
      kind: 'ansible',
      debug: false,
      debugLevel: undefined,
      dryRun: false,
      diff: false,
      limit: undefined,
      tags: undefined,
      skipTags: undefined,
      skipGalaxyInstall: false,
    },
    templateParams: {
      kind: 'ansible',
      allowDebug: false,
      allowOverrideInventory: false,
      allowOverrideLimit: false,
      allowOverrideTags: false,
      allowOverrideSkipTags: false,
      limit: [],
      tags: [],
      skipTags: [],
      skipGalaxyInstall: false,
      allowOverrideSkipGalaxyInstall: false,
      hideDryRun: false,
      hideDiff: false,
      galaxyRoleArgs: [],
      galaxyCollectionArgs: [],
    },
    vaultIds: [],
    extraVars: ['/p/open.yml'],
    extra: { template: [], task: [] },
    playbook: '/r/site.yml',
  };
  type Params = Partial<PlaybookCommand['params']>;
  type Preset = Partial<PlaybookCommand['templateParams']>;
  const build = (params: Params = {}, preset: Preset = {}, rest: Partial<PlaybookCommand> = {}) =>
    playbookArguments({
      ...command,
      ...rest,
      params: { ...command.params, ...params },
      templateParams: { ...command.templateParams, ...preset },
    });

  it('are few for a plain run', () => {
    expect(build()).toEqual(['--inventory', '/p/inventory', '--extra-vars', '@/p/open.yml', '/r/site.yml']);
  });

  it('stand in the order of spec 5.7', () => {
    expect(
      build(
        { debug: true, debugLevel: 2, dryRun: true, diff: true },
        { allowDebug: true, limit: ['web', 'db'], tags: ['deploy'], skipTags: ['slow'] },
        {
          user: 'ansible',
          connectionPasswordFile: '/p/c',
          becomeUser: 'root',
          becomePasswordFile: '/p/b',
          vaultIds: ['prod@/p/v1', 'ext@/r/script.sh'],
          extraVars: ['/p/open.yml', '/p/secret'],
          extra: { template: ['--forks=5'], task: ['--forks=10'] },
        },
      ),
    ).toEqual([
      '--inventory',
      '/p/inventory',
      '--user',
      'ansible',
      '--connection-password-file',
      '/p/c',
      '--become-user',
      'root',
      '--become-password-file',
      '/p/b',
      '-vv',
      '--diff',
      '--check',
      '--vault-id=prod@/p/v1',
      '--vault-id=ext@/r/script.sh',
      '--extra-vars',
      '@/p/open.yml',
      '--extra-vars',
      '@/p/secret',
      '--forks=5',
      '--limit=web,db',
      '--tags=deploy',
      '--skip-tags=slow',
      '--forks=10',
      '/r/site.yml',
    ]);
  });

  it.each<[number | undefined, boolean, string[]]>([
    [undefined, true, ['-vvvv']],
    [0, true, ['-vvvv']],
    [1, true, ['-v']],
    [6, true, ['-vvvvvv']],
    [9, true, ['-vvvvvv']],
    [3, false, []],
  ])('debug level %s, permitted %s, is %j', (debugLevel, allowDebug, expected) => {
    expect(build({ debug: true, debugLevel }, { allowDebug }).filter((arg) => arg.startsWith('-v'))).toEqual(expected);
  });

  it('take the task’s choice only where the template permits it', () => {
    const given = { limit: ['task'], tags: ['task'], skipTags: [] };
    const preset = { limit: ['preset'], tags: ['preset'], skipTags: ['preset'] };
    expect(build(given, preset).slice(4, -1)).toEqual(['--limit=preset', '--tags=preset', '--skip-tags=preset']);
    const permitted = { ...preset, allowOverrideLimit: true, allowOverrideTags: true, allowOverrideSkipTags: true };
    expect(build(given, permitted).slice(4, -1)).toEqual(['--limit=task', '--tags=task']);
    expect(build({}, permitted).slice(4, -1)).toEqual(['--limit=preset', '--tags=preset', '--skip-tags=preset']);
  });

  it('leave out what the template hides', () => {
    expect(build({ dryRun: true, diff: true }, { hideDryRun: true, hideDiff: true }).slice(4)).toEqual(['/r/site.yml']);
  });
});

describe('the keys of an inventory', () => {
  const keys = delivered({
    keys: {
      1: { type: 'ssh', ssh: { login: 'ansible', passphrase: '', private_key: 'k' } },
      2: { type: 'login_password', login_password: { login: 'root', password: 'pw' } },
      3: { type: 'none' },
      4: { type: 'string', string: 'x' },
    },
  }).keys;
  const nothing = {
    user: undefined,
    sshKey: undefined,
    connectionPassword: undefined,
    becomeUser: undefined,
    becomePassword: undefined,
  };

  it('tell how to log in and whom to become', () => {
    expect(ansibleCredentials(keys.get(1), keys.get(2))).toEqual({
      ...nothing,
      user: 'ansible',
      sshKey: keys.get(1),
      becomeUser: 'root',
      becomePassword: 'pw',
    });
    expect(ansibleCredentials(keys.get(2), keys.get(3))).toEqual({
      ...nothing,
      user: 'root',
      connectionPassword: 'pw',
    });
    expect(ansibleCredentials(keys.get(3), undefined)).toEqual(nothing);
    expect(ansibleCredentials(undefined, undefined)).toEqual(nothing);
  });

  it('of another type are refused', () => {
    expect(() => ansibleCredentials(keys.get(4), undefined)).toThrow('access key type not supported for ansible user');
    expect(() => ansibleCredentials(undefined, keys.get(1))).toThrow('become key');
  });
});

describe('the extra-vars file', () => {
  it('has sorted names, tagged strings at any depth, and numbers in plain decimals', () => {
    const values = parseJson('{"b":[1,"x",{"k":"v"}],"a":"{{ 1 + 1 }}","c":1e6,"d":true,"e":null,"f":1.10}');
    expect(extraVarsFile(values as Record<string, unknown>)).toBe(
      [
        '"a": !unsafe "{{ 1 + 1 }}"',
        '"b": [1, !unsafe "x", {"k": !unsafe "v"}]',
        '"c": 1000000',
        '"d": true',
        '"e": null',
        '"f": 1.10',
        '',
      ].join('\n'),
    );
    expect(extraVarsFile({})).toBe('{}\n');
  });

  it('escapes whatever YAML would take for something else', () => {
    expect(extraVarsFile({ a: 'ü\u0085\u2028\u007f😀\ud800"\\\n' })).toBe(
      String.raw`"a": !unsafe "\u00fc\u0085\u2028\u007f\U0001f600\ufffd\"\\\n"` + '\n',
    );
  });
});

describe('the arguments for ansible-galaxy', () => {
  it('may be known options', () => {
    const args = ['--ignore-certs', '--timeout', '60', '--server=https://galaxy.example', '-v'];
    expect(galaxyArguments(args)).toEqual(args);
  });
  it.each([['-r'], ['--role-file=x'], ['other.collection'], ['-p'], ['--force=1'], ['--token', 'x']])(
    'may not be %s',
    (...args) => {
      expect(() => galaxyArguments(args)).toThrow('not allowed');
    },
  );
});

describe('the environment that every process starts from', () => {
  const options = {
    config: {
      envVars: { LANG: 'C.UTF-8' },
      forwardedEnvVars: ['HTTPS_PROXY', 'EMPTY', 'MISSING'],
      homeDirMode: 'template_dir' as const,
    },
    hostEnv: { PATH: '/bin', HOME: '/home/runner', HTTPS_PROXY: 'http://proxy', EMPTY: '', SECRET: 'x', USER: 'me' },
    projectDirectory: '/p',
  };

  it('has PATH, HOME, what is forwarded and not empty, and env_vars; nothing else', () => {
    expect(processEnvironment(options)).toEqual({
      PATH: '/bin',
      HTTPS_PROXY: 'http://proxy',
      LANG: 'C.UTF-8',
      HOME: '/home/runner',
    });
  });

  it('has the project directory as home where the mode says so', () => {
    const config = { ...options.config, homeDirMode: 'project_home' as const };
    expect(processEnvironment({ ...options, config })['HOME']).toBe('/p');
  });
});

describe('what a task knows of itself', () => {
  const { job } = delivered({
    job: { IncomingVersion: '1.4.1' },
    task: { message: 'night\u0007ly', version: '1.4.2' },
    template: { type: 'build' },
  });
  const details = taskDetails(job, { hash: 'abc', message: 'Subject' }, 'https://host');

  it('are the details of spec 5.6, without quotes and with the type', () => {
    expect(detailVariables(details)).toEqual({
      SEMAPHORE_TASK_DETAILS_ID: '4711',
      SEMAPHORE_TASK_DETAILS_MESSAGE: 'nightly',
      SEMAPHORE_TASK_DETAILS_USERNAME: 'alice',
      SEMAPHORE_TASK_DETAILS_URL: 'https://host/project/7/history?t=4711',
      SEMAPHORE_TASK_DETAILS_COMMIT_HASH: 'abc',
      SEMAPHORE_TASK_DETAILS_COMMIT_MESSAGE: 'Subject',
      SEMAPHORE_TASK_DETAILS_INVENTORY_NAME: 'local',
      SEMAPHORE_TASK_DETAILS_INVENTORY_ID: '21',
      SEMAPHORE_TASK_DETAILS_REPOSITORY_NAME: 'playbooks',
      SEMAPHORE_TASK_DETAILS_REPOSITORY_ID: '3',
      SEMAPHORE_TASK_DETAILS_TYPE: 'build',
      SEMAPHORE_TASK_DETAILS_INCOMING_VERSION: '1.4.1',
      SEMAPHORE_TASK_DETAILS_TARGET_VERSION: '1.4.2',
    });
  });

  it('leave out what is not known', () => {
    const plain = delivered({ job: { Username: '' } }).job;
    const noInventory = delivered({ inventory: { id: 0, name: '' } }).job;
    expect(detailVariables(taskDetails(noInventory, undefined, undefined))).toMatchObject({
      SEMAPHORE_TASK_DETAILS_INVENTORY_ID: '0',
    });
    const names = Object.keys(detailVariables(taskDetails(plain, undefined, undefined)));
    expect(names.map((name) => name.slice('SEMAPHORE_TASK_DETAILS_'.length))).toEqual([
      'ID',
      'INVENTORY_NAME',
      'INVENTORY_ID',
      'REPOSITORY_NAME',
      'REPOSITORY_ID',
    ]);
  });

  it('are its identity, version and workflow', () => {
    expect(identityVariables(job, undefined)).toEqual({
      SEMAPHORE_PROJECT_ID: '7',
      SEMAPHORE_TASK_ID: '4711',
      SEMAPHORE_TASK_TYPE: 'build',
      SEMAPHORE_TASK_INCOMING_VERSION: '1.4.1',
      SEMAPHORE_TASK_TARGET_VERSION: '1.4.2',
    });
    const deploy = delivered({
      job: { IncomingVersion: '1.4.1' },
      task: { version: '1.4.2' },
      template: { type: 'deploy' },
    }).job;
    expect(identityVariables(deploy, undefined)).toEqual({
      SEMAPHORE_PROJECT_ID: '7',
      SEMAPHORE_TASK_ID: '4711',
      SEMAPHORE_TASK_TYPE: 'deploy',
      SEMAPHORE_TASK_INCOMING_VERSION: '1.4.1',
    });
    const plain = delivered({ job: { IncomingVersion: '1.4.1' }, task: { version: '1.4.2' } }).job;
    expect(Object.keys(identityVariables(plain, undefined))).toEqual(['SEMAPHORE_PROJECT_ID', 'SEMAPHORE_TASK_ID']);
    const workflow = delivered({ task: { workflow_run_id: 5, workflow_template_id: 6 } }).job;
    expect(identityVariables(workflow, 'https://host')).toMatchObject({
      SEMAPHORE_WORKFLOW_RUN_ID: '5',
      SEMAPHORE_WORKFLOW_ID: '6',
      SEMAPHORE_WORKFLOW_URL: 'https://host/project/7/workflows/6/runs/5',
    });
  });
});
