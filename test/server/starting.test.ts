import { describe, expect, it } from 'vitest';
import { nextVersion } from '../../src/server/tasks/versions.ts';
import { answerSurvey } from '../../src/server/tasks/survey.ts';
import { job, ScriptedRunner } from './support/scripted-runner.ts';
import { TestServer } from './support/test-server.ts';

describe('answers to the questions of a template', () => {
  const question = (changes: object = {}) => ({
    name: 'q',
    title: 'Q?',
    description: undefined,
    type: '' as const,
    target: '' as const,
    required: false,
    values: [
      { name: 'A', value: 'a' },
      { name: 'B', value: 'b' },
    ],
    defaultValue: undefined,
    ...changes,
  });
  const answer = (changes: object, environment: object = {}, secret: object = {}, preset: object = {}) =>
    answerSurvey([question(changes)], { environment: { ...environment }, secret: { ...secret } }, { ...preset });

  it('are passed on, with everything else that was given', () => {
    expect(answer({}, { q: 'x', other: [1] })).toEqual({ environment: { q: 'x', other: [1] }, secret: {} });
  });

  it('have defaults where neither the task nor a variable group says anything', () => {
    expect(answer({ defaultValue: 'd' }).environment).toEqual({ q: 'd' });
    expect(answer({ defaultValue: 'd' }, { q: '' }).environment).toEqual({ q: 'd' });
    expect(answer({ defaultValue: 'd' }, { q: 'x' }).environment).toEqual({ q: 'x' });
    expect(answer({ defaultValue: 'd' }, {}, {}, { q: 'group' }).environment).toEqual({});
  });

  it('to secret questions are kept apart, wherever they came from', () => {
    expect(answer({ type: 'secret' }, { q: 's' })).toEqual({ environment: {}, secret: { q: 's' } });
    expect(answer({ type: 'secret' }, {}, { q: 's' })).toEqual({ environment: {}, secret: { q: 's' } });
  });

  it.each([
    [{ required: true }, {}, 'environment: q is required ("Q?")'],
    [{ required: true, type: 'secret' }, {}, 'secret: q is required ("Q?")'],
    [{ type: 'int' }, { q: '1.5' }, 'environment: q: expected a whole number'],
    [{ type: 'enum' }, { q: 'c' }, 'environment: q: expected one of a, b'],
    [{ type: 'select' }, { q: ['a', 'c'] }, 'environment: q: expected one of a, b'],
  ])('are checked: %j %j', (changes, environment, message) => {
    expect(() => answer(changes, environment)).toThrow(message);
  });

  it.each([
    [{ type: 'int' }, { q: -5 }],
    [{ type: 'int' }, { q: '12' }],
    [{ type: 'enum' }, { q: 'a' }],
    [{ type: 'select' }, { q: ['a', 'b'] }],
    [{ type: 'enum' }, {}],
  ])('may be: %j %j', (changes, environment) => {
    expect(answer(changes, environment).environment).toEqual(environment);
  });

  it('may be given by a variable group when they are required', () => {
    expect(answer({ required: true }, {}, {}, { q: 'group' }).environment).toEqual({});
  });
});

describe('the version after', () => {
  it.each([
    ['1.0.0', '1.0.1'],
    ['1.0.9', '1.0.10'],
    ['build-007', 'build-008'],
    ['2.0-rc1', '2.0-rc2'],
    ['1.2-beta', '1.3-beta'],
    ['alpha', 'alpha-1'],
    ['99999999999999999999', '100000000000000000000'],
  ])('%s is %s', (version, expected) => {
    expect(nextVersion(version)).toBe(expected);
  });
});

describe('builds and deployments', () => {
  const templates = [
    {
      id: 1,
      name: 'Build',
      type: 'build',
      start_version: '1.0.0',
      app: 'bash',
      playbook: 'b.sh',
      repository: 'scripts',
    },
    {
      id: 2,
      name: 'Deploy',
      type: 'deploy',
      build_template: 'Build',
      app: 'bash',
      playbook: 'd.sh',
      repository: 'scripts',
    },
    {
      id: 3,
      name: 'Stage',
      type: 'deploy',
      build_template: 'Build',
      autorun: true,
      app: 'bash',
      playbook: 'd.sh',
      repository: 'scripts',
    },
  ];

  it('number themselves, carry their version on, and run after one another', async () => {
    const server = await TestServer.start({ project: { templates } });
    const runner = await ScriptedRunner.online(server);
    const early = await server.call('POST', '/api/project/1/tasks', { template_id: 2 });
    expect(early).toMatchObject({
      status: 400,
      json: { error: 'build_task_id: there is no successful build to deploy yet' },
    });

    const build = await server.createTask();
    expect((await runner.get()).new_jobs[0]).toMatchObject({
      IncomingVersion: null,
      task: { version: '1.0.0' },
      template: { type: 'build' },
    });
    await runner.put([job(build, 'success')]);
    await expect
      .poll(async () => (await server.call('GET', '/api/project/1/tasks')).json)
      .toMatchObject([
        { template_id: 3, build_task_id: build, version: '1.0.0', message: 'after build 1.0.0' },
        { id: build },
      ]);
    const stage = (await runner.get()).new_jobs[0];
    expect(stage).toMatchObject({
      IncomingVersion: '1.0.0',
      template: { type: 'deploy' },
      task: { build_task_id: build },
    });
    expect(stage.task).not.toHaveProperty('version');

    const second = await server.createTask();
    expect(await server.task(second)).toMatchObject({ version: '1.0.1' });
    const deployment = await server.createTask({ template_id: 2 });
    expect(await server.task(deployment)).toMatchObject({ version: '1.0.0', build_task_id: build });
    const wrong = await server.call('POST', '/api/project/1/tasks', { template_id: 2, build_task_id: second });
    expect(wrong).toMatchObject({
      status: 400,
      json: { error: `build_task_id: task ${second} is no successful build for this template` },
    });
  });
});
