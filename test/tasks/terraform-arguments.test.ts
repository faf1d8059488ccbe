import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { localFiles } from '../../src/executors/local-place/files.ts';
import { pendingQuestion } from '../../src/tasks/apps/terraform/init.ts';
import { joinOptions, splitOptions } from '../../src/tasks/apps/terraform/options.ts';
import { stageArguments } from '../../src/tasks/apps/terraform/stage-arguments.ts';
import { mayRunElsewhere, variablesSetElsewhere } from '../../src/tasks/apps/terraform/var-files.ts';
import { terraformVariables } from '../../src/tasks/apps/terraform/variables.ts';
import { workspaceName } from '../../src/tasks/apps/terraform/workspace.ts';
import { readVariables } from '../../src/tasks/variables.ts';
import { tempDir } from '../support/temp-dir.ts';
import { delivered } from './support.ts';

const files = localFiles(undefined);

function stagesOf(template: unknown, task?: unknown, allowed = true) {
  const text = (value: unknown) => (value === undefined ? undefined : JSON.stringify(value));
  const { job } = delivered({
    template: { app: 'terraform', arguments: text(template), allow_override_args_in_task: allowed },
    task: { arguments: text(task) },
  });
  return stageArguments(job);
}

describe('the arguments of the stages', () => {
  it.each([
    ['nothing', undefined, undefined, [], [], []],
    ['an array is for plan and apply', ['-parallelism=3'], undefined, [], ['-parallelism=3'], ['-parallelism=3']],
    ['numbers are texts', ['-parallelism', 3], undefined, [], ['-parallelism', '3'], ['-parallelism', '3']],
    [
      'an object has its own for each',
      { init: ['-backend=false'], plan: ['-lock=false'] },
      undefined,
      ['-backend=false'],
      ['-lock=false'],
      [],
    ],
    [
      'default stands in for a stage that is not given',
      { default: ['-no-color'], apply: ['-lock=false'] },
      undefined,
      [],
      ['-no-color'],
      ['-lock=false'],
    ],
    ['the task comes after the template', { plan: ['-a'] }, { plan: ['-b'], apply: ['-c'] }, [], ['-a', '-b'], ['-c']],
    ['an array of the task is its default', { default: ['-a'] }, ['-b'], [], ['-a', '-b'], ['-a', '-b']],
    ['null is nothing', { plan: null }, null, [], [], []],
    [
      'what shapes a plan goes to the plan only',
      ['-var-file=x', '-target', 'a', '-no-color'],
      undefined,
      [],
      ['-var-file=x', '-target', 'a', '-no-color'],
      ['-no-color'],
    ],
    [
      'also when only apply is given it (7.1 #30)',
      { apply: ['-var', 'x=1', '-destroy', '-lock=false'] },
      undefined,
      [],
      ['-var', 'x=1', '-destroy'],
      ['-lock=false'],
    ],
    [
      'but not twice',
      { plan: ['-target=a'], apply: ['-target=a', '-target=b'] },
      undefined,
      [],
      ['-target=a', '-target=b'],
      [],
    ],
  ])('%s', (_name, template, task, init, plan, apply) => {
    expect(stagesOf(template, task)).toEqual({ init, plan, apply, remarks: [] });
  });

  it('leaves a saved plan of the user to the one we save, and says so', () => {
    expect(stagesOf({ plan: ['-out=tfplan', '-lock=false'], apply: ['-no-color', 'tfplan'] })).toEqual({
      init: [],
      plan: ['-lock=false'],
      apply: ['-no-color'],
      remarks: [
        'The plan is kept in a private file: -out=tfplan is left out.',
        'Apply gets the plan that has been made: tfplan is left out.',
      ],
    });
  });

  it('tells of stages that there are not', () => {
    expect(stagesOf({ destroy: ['-x'] }).remarks).toEqual([
      'The arguments for the stage "destroy" are left out: the stages are init, plan, apply, default.',
    ]);
  });

  it('takes those of the task only where the template allows it', () => {
    expect(stagesOf(['-a'], ['-b'], false).plan).toEqual(['-a']);
    expect(stagesOf(['-a'], 'no array', false).plan).toEqual(['-a']);
  });

  it.each(['text', 5, [['nested']], { plan: 'text' }, { plan: [true] }])('refuses %j', (template) => {
    expect(() => stagesOf(template)).toThrow('invalid format of the template extra arguments, must be valid JSON');
    expect(() => stagesOf(undefined, template)).toThrow('invalid format of the task extra arguments');
  });
});

describe('options', () => {
  it('are taken apart with the arguments that belong to them', () => {
    const args = ['-var', 'a=b=c', '--target=x', '-no-color', 'plan', '-lock-timeout', '10s', '-lock', '-json', '-'];
    const options = splitOptions(args);
    expect(options.map(({ name, value }) => [name, value])).toEqual([
      ['var', 'a=b=c'],
      ['target', 'x'],
      ['no-color', undefined],
      [undefined, undefined],
      ['lock-timeout', '10s'],
      ['lock', undefined],
      ['json', undefined],
      [undefined, undefined],
    ]);
    expect(joinOptions(options)).toEqual(args);
  });
});

describe('the variables', () => {
  function sorted(json: string, elsewhere: [string, 'collection' | 'other'][] = [], more = {}) {
    const { job } = delivered({ environment: { json, ...more } });
    return terraformVariables(readVariables(job), new Map(elsewhere));
  }

  it('are texts as the type of the variable wants to read them', () => {
    const json =
      '{"text":"a \\"b\\" ${c}","list":["a",1],"map":{"k":[true,null]},"big":123456789012345678901234567890,"million":1e6,"price":1.10,"yes":true}';
    expect(sorted(json)).toEqual({
      env: {
        TF_VAR_text: 'a "b" ${c}',
        TF_VAR_list: '["a",1]',
        TF_VAR_map: '{"k":[true,null]}',
        TF_VAR_big: '123456789012345678901234567890',
        TF_VAR_million: '1000000',
        TF_VAR_price: '1.10',
        TF_VAR_yes: 'true',
      },
      file: undefined,
      impossible: [],
    });
  });

  it('go through the file when the environment cannot have them', () => {
    const long = 'x'.repeat(128 * 1024);
    const json = JSON.stringify({ 'with-dash': 1, größe: 'ä', nothing: null, long, zero: 'a\0b', short: 'x' });
    const { env, file } = sorted(json);
    expect(env).toEqual({ TF_VAR_short: 'x' });
    expect(JSON.parse(file ?? '')).toEqual({ 'with-dash': 1, größe: 'ä', nothing: null, long, zero: 'a\0b' });
  });

  it('go through the file when something stronger sets them, texts as what they replace', () => {
    const json = '{"a":"[1,2]","b":"[1,2]","c":12345678901234567890,"d":"not json","e":"{\\"k\\":10.50}"}';
    const elsewhere: [string, 'collection' | 'other'][] = [
      ['a', 'collection'],
      ['b', 'other'],
      ['c', 'other'],
      ['d', 'collection'],
      ['e', 'collection'],
    ];
    expect(sorted(json, elsewhere)).toEqual({
      env: {},
      file: '{"a":[1,2],"b":"[1,2]","c":12345678901234567890,"d":"not json","e":{"k":10.50}}',
      impossible: [],
    });
  });

  it('that no variable can be called are named; semaphore_vars is not one', () => {
    const { env, impossible } = sorted('{"a.b":1,"1st":1,"":1,"ok":1,"a b":1,"semaphore_vars":{}}');
    expect([env, impossible]).toEqual([{ TF_VAR_ok: '1' }, ['', '1st', 'a b', 'a.b']]);
  });

  it('of groups that are secret win over those that are not', () => {
    const secrets = [{ id: 1, type: 'var', name: 'a', secret: 'hidden' }];
    expect(sorted('{"a":"open"}', [], { secrets }).env).toEqual({ TF_VAR_a: 'hidden' });
  });

  it('all go through the file where the environment is not looked at', async () => {
    const { job } = delivered({ environment: { json: '{"a":"x","b":[1]}' } });
    expect(terraformVariables(readVariables(job), new Map(), { onlyFile: true })).toEqual({
      env: {},
      file: '{"a":"x","b":[1]}',
      impossible: [],
    });
    const directory = tempDir();
    writeFileSync(join(directory, 'main.tf'), 'terraform {\n  backend "local" {}\n}\n# cloud {\n');
    expect(await mayRunElsewhere(files, directory)).toBe(false);
    writeFileSync(join(directory, 'cloud.tf'), 'terraform {\n  cloud {\n  }\n}\n');
    expect(await mayRunElsewhere(files, directory)).toBe(true);
    writeFileSync(join(directory, 'cloud.tf'), 'terraform {\n  backend "remote" {\n  }\n}\n');
    expect(await mayRunElsewhere(files, directory)).toBe(true);
    expect(await mayRunElsewhere(files, join(directory, 'nowhere'))).toBe(false);
  });

  it('that are set elsewhere are found in the files Terraform loads and in the arguments', async () => {
    const directory = tempDir();
    const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
    write(
      'terraform.tfvars',
      '# x = 1\nregion = "a"\nzones=[\n "a"]\ntags = {\n  env = "x"\n}\n"quoted" = 1\nsame == 1\n',
    );
    write('terraform.tfvars.json', '{"json":{"a":1},"number":1}');
    write('more.auto.tfvars', 'auto = {}\n');
    write('broken.auto.tfvars.json', '{');
    write('other.tfvars', 'other = 1\n');
    mkdirSync(join(directory, 'vars'));
    write('vars/prod.tfvars', 'prod = 1\n');
    const args = [
      '-var-file',
      'vars/prod.tfvars',
      '-var-file=missing',
      '-var',
      'given=[1]',
      '-var=also=x',
      '-lock=false',
    ];
    expect(Object.fromEntries(await variablesSetElsewhere(files, directory, args))).toEqual({
      region: 'other',
      zones: 'collection',
      tags: 'collection',
      env: 'other',
      quoted: 'other',
      json: 'collection',
      number: 'other',
      auto: 'collection',
      prod: 'other',
      given: 'collection',
      also: 'other',
    });
    expect((await variablesSetElsewhere(files, join(directory, 'nowhere'), [])).size).toBe(0);
  });
});

describe('a question of init', () => {
  const question =
    '\u001B[0m\u001B[1mDo you want to copy existing state to the new backend?\u001B[0m\n  … Enter "yes" to copy.\n\n  \u001B[1mEnter a value:\u001B[0m \u001B[0m';
  it.each([
    ['', undefined],
    ['Initializing the backend...\n', undefined],
    [question, 'yes or no'],
    [`${question}\nWaiting for a decision\n`, undefined],
    [`${question}\nThe answer to this is "yes".\nbucket\n  The name of the bucket\n\n  Enter a value: `, 'of values'],
    [`${question}\nThe answer to this is "yes".\n${question}`, 'yes or no'],
    ['bucket\n  The name of the bucket\n\n  Enter a value: ', 'of values'],
    ['Would you like Terragrunt to create it? (y/n) ', 'of values'],
  ])('%j: %s', (output, expected) => {
    expect(pendingQuestion(output)).toBe(expected);
  });
});

describe('the workspace', () => {
  it.each([
    ['terraform-workspace', 'prod', 'prod'],
    ['tofu-workspace', ' prod\n', 'prod'],
    ['terragrunt-workspace', '', 'default'],
    ['static', 'localhost', 'default'],
    ['', '', 'default'],
  ])('of an inventory of type %j with %j is %s', (type, inventory, expected) => {
    expect(workspaceName({ type, inventory })).toBe(expected);
  });

  it('cannot be an option', () => {
    expect(() => workspaceName({ type: 'terraform-workspace', inventory: '-lock=false' })).toThrow('-lock=false');
  });
});
