import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../src/lib/index.ts';
import { readJobRequest } from '../../src/protocol/ci/index.ts';

const full: unknown = JSON.parse(readFileSync(join(import.meta.dirname, 'ci-full-job.json'), 'utf8'));

const empty = {
  jobId: '',
  executor: 'shell',
  compose: { containers: [], imagePullCredentials: [], hostSetupCommands: [] },
  commands: [],
  sshPublicKeys: [],
  epilogues: { always: [], onPass: [], onFail: [] },
  variables: [],
  files: [],
  callbacks: { finished: '', teardownFinished: '', token: '' },
  logger: { method: 'pull', url: '', token: '', maxSizeInBytes: 0 },
};

describe('a job request', () => {
  it('is read with everything that there is (spec CI 4.6)', () => {
    const container = { command: '', entrypoint: '', user: '' };
    expect(readJobRequest(full)).toEqual({
      jobId: '0c6f2f1e-9d0a-4b53-8d77-5c1f6f0b7f10',
      executor: 'dockercompose',
      sshPublicKeys: [],
      compose: {
        containers: [
          {
            ...container,
            name: 'main',
            image: 'registry.example.test/node:20',
            variables: [{ name: 'NODE_ENV', value: 'dGVzdA==' }],
          },
          {
            name: 'db',
            image: 'postgres:16',
            user: 'postgres',
            command: 'postgres -c fsync=off',
            entrypoint: '/usr/local/bin/docker-entrypoint.sh',
            variables: [{ name: 'POSTGRES_PASSWORD', value: 'cHc=' }],
          },
        ],
        imagePullCredentials: [
          {
            variables: [
              { name: 'DOCKER_CREDENTIAL_TYPE', value: 'R2VuZXJpY0RvY2tlcg==' },
              { name: 'DOCKER_URL', value: 'cmVnaXN0cnkuZXhhbXBsZS50ZXN0' },
              { name: 'DOCKER_USERNAME', value: 'Ym90' },
              { name: 'DOCKER_PASSWORD', value: 'czNjcjN0' },
            ],
            files: [],
          },
        ],
        hostSetupCommands: [{ directive: 'mkdir -p /var/cache/ci', alias: '' }],
      },
      variables: [
        { name: 'CI', value: 'dHJ1ZQ==' },
        { name: 'GREETING', value: 'aXQncyBmaW5lICRIT01F' },
      ],
      files: [
        { path: '~/.npmrc', content: 'YXVkaXQ9ZmFsc2UK', mode: '0600' },
        { path: '/opt/ci/run.sh', content: 'IyEvYmluL3NoCmVjaG8gcnVuCg==', mode: '0755' },
        { path: 'relative/note.txt', content: 'aGkK', mode: '0644' },
      ],
      commands: [
        { directive: 'npm ci', alias: 'Install dependencies' },
        { directive: 'npm test', alias: '' },
      ],
      epilogues: {
        always: [{ directive: 'echo result is $SEMAPHORE_JOB_RESULT', alias: '' }],
        onPass: [{ directive: 'echo good', alias: '' }],
        onFail: [{ directive: 'echo bad', alias: '' }],
      },
      callbacks: { finished: '', teardownFinished: '', token: '' },
      logger: {
        method: 'push',
        url: 'https://acme.example.test/api/v1/logs/0c6f2f1e-9d0a-4b53-8d77-5c1f6f0b7f10',
        token: 'log.jwt.token',
        maxSizeInBytes: 0,
      },
    });
  });

  it('is read as production sends it: a hosted one, with what agents ignore (spec CI 4.7)', () => {
    const request = readJobRequest({
      job_id: 'a-uuid',
      job_name: 'Unit tests',
      executor: 'dockercompose',
      compose: { containers: [{ name: 'main', image: 'i', files: [{ path: 'x' }] }] },
      env_vars: [
        { name: 'PAGER', value: 'Y2F0' },
        { name: 'CI', value: 'dHJ1ZQ==' },
        { name: 'CI', value: 'ZmFsc2U=' },
      ],
      files: [{ path: '.ssh/id_rsa', content: 'eA==', mode: '0644' }],
      ssh_public_keys: ['c3NoLXJzYSBBQUE='],
      callbacks: {
        finished: 'https://broker.test/finished/a-uuid',
        teardown_finished: 'https://broker.test/teardown_finished/a-uuid',
        token: 'jwt',
      },
      logger: { method: 'pull' },
    });
    expect(request.compose.containers).toEqual([
      { name: 'main', image: 'i', command: '', entrypoint: '', user: '', variables: [] },
    ]);
    expect(request.variables.map(({ name }) => name)).toEqual(['PAGER', 'CI', 'CI']);
    expect(request.callbacks).toEqual({
      finished: 'https://broker.test/finished/a-uuid',
      teardownFinished: 'https://broker.test/teardown_finished/a-uuid',
      token: 'jwt',
    });
    expect(request.logger).toEqual({ method: 'pull', url: '', token: '', maxSizeInBytes: 0 });
    expect(request.sshPublicKeys).toEqual(['c3NoLXJzYSBBQUE=']);
  });

  it.each([
    ['nothing at all', null],
    ['an empty object', {}],
    ['null everywhere', Object.fromEntries(Object.keys(full as object).map((key) => [key, null]))],
    [
      'null within',
      {
        compose: { containers: null, image_pull_credentials: null, host_setup_commands: null },
        callbacks: { finished: null, token: null },
        logger: { method: null, url: null, max_size_in_bytes: null },
      },
    ],
  ])('has zero values where there is %s', (_, json) => {
    expect(readJobRequest(json)).toEqual(empty);
  });

  it('has zero values for items that are null', () => {
    const { commands, variables, sshPublicKeys } = readJobRequest({
      commands: [null, { directive: 'true' }],
      env_vars: [null],
      ssh_public_keys: [null],
    });
    expect(commands).toEqual([
      { directive: '', alias: '' },
      { directive: 'true', alias: '' },
    ]);
    expect(variables).toEqual([{ name: '', value: '' }]);
    expect(sshPublicKeys).toEqual(['']);
  });

  it('knows keys whatever their case, and prefers the exact one wherever it stands', () => {
    const { jobId, commands } = readJobRequest({
      JOB_ID: 'folded',
      job_id: 'exact',
      Job_Id: 'folded',
      Commands: [{ DIRECTIVE: 'x', Alias: 'a' }],
    });
    expect(jobId).toBe('exact');
    expect(commands).toEqual([{ directive: 'x', alias: 'a' }]);
  });

  it.each([
    [[], 'expected object, received array'],
    ['text', 'expected object, received string'],
    [{ job_id: 5 }, 'job_id: expected string, received number'],
    [{ commands: {} }, 'commands: expected array, received object'],
    [{ commands: [{ directive: 'x' }, { alias: true }] }, 'commands[1].alias: expected string, received boolean'],
    [{ logger: { max_size_in_bytes: '5' } }, 'logger.max_size_in_bytes: expected number, received string'],
    [{ logger: { max_size_in_bytes: 1.5 } }, 'logger.max_size_in_bytes: expected int, received number'],
    [
      { compose: { containers: [{ env_vars: [{ value: ['secret'] }] }] } },
      'compose.containers[0].env_vars[0].value: expected string, received array',
    ],
  ])('is refused with the place of the first wrong type: %j', (json, text) => {
    const read = () => readJobRequest(json);
    expect(read).toThrow(UserError);
    expect(read).toThrow(`the job request is not valid: ${text}`);
    expect(read).not.toThrow('secret');
  });

  it('may be the shortest of a hosted job (spec CI 4.6)', () => {
    expect(
      readJobRequest({
        job_id: 'x',
        commands: [{ directive: 'true' }],
        callbacks: { finished: 'http://127.0.0.1:1/f', teardown_finished: 'http://127.0.0.1:1/t' },
      }),
    ).toEqual({
      ...empty,
      jobId: 'x',
      commands: [{ directive: 'true', alias: '' }],
      callbacks: { finished: 'http://127.0.0.1:1/f', teardownFinished: 'http://127.0.0.1:1/t', token: '' },
    });
  });
});

describe('a job request in YAML (spec CI 4.3)', () => {
  const file = { path: 'hello.txt', content: 'aGVsbG8K', mode: '0644' };

  it('names its files "file"', () => {
    expect(readJobRequest({ job_id: 'local-1', file: [file] }, { spelling: 'yaml' }).files).toEqual([file]);
  });

  it('may name them "files" as well, or have both', () => {
    expect(readJobRequest({ files: [file] }, { spelling: 'yaml' }).files).toEqual([file]);
    const other = { ...file, path: 'other' };
    expect(readJobRequest({ files: [file], file: [other] }, { spelling: 'yaml' }).files).toEqual([file, other]);
  });

  it('may leave out quotes, as YAML does', () => {
    const request = readJobRequest(
      {
        job_id: 7,
        env_vars: [{ name: 'A', value: true }],
        file: [{ path: 'x', mode: 644 }],
        logger: { max_size_in_bytes: '1048576' },
      },
      { spelling: 'yaml' },
    );
    expect(request.jobId).toBe('7');
    expect(request.variables).toEqual([{ name: 'A', value: 'true' }]);
    expect(request.files).toEqual([{ path: 'x', content: '', mode: '644' }]);
    expect(request.logger.maxSizeInBytes).toBe(1_048_576);
  });

  it('is not what JSON is: there "file" is an unknown key, and a number is no text', () => {
    expect(readJobRequest({ file: [file] }).files).toEqual([]);
    expect(() => readJobRequest({ files: [{ mode: 644 }] })).toThrow('files[0].mode: expected string');
  });

  it('is refused with the place of a wrong type', () => {
    expect(() => readJobRequest({ commands: [{ directive: ['a'] }] }, { spelling: 'yaml' })).toThrow(
      'commands[0].directive: expected string, received array',
    );
  });
});
