import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { compressionThreshold } from '../../src/agent/log/compression.ts';
import { FileLog, openJobLog, uploadPolicyOf, type UploadPolicy } from '../../src/agent/log/index.ts';
import { writePlainText } from '../../src/agent/log/plain-text.ts';
import { Spool } from '../../src/agent/log/spool.ts';
import { uploadLog } from '../../src/agent/log/upload-log.ts';
import { artifactAccessOf } from '../../src/agent/log/upload-policy.ts';
import { systemClock } from '../../src/lib/index.ts';
import { readJobRequest } from '../../src/protocol/ci/index.ts';
import { FastClock, memoryLogger, until } from '../ci-hub/index.ts';
import { tempDir } from '../support/temp-dir.ts';
import { assignJob, finishedLine, openPushed, outputLine, sealToken } from './log-support.ts';

const standIn = join(import.meta.dirname, '../fixtures/bin/artifact-stand-in');
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const variables = [
  { name: 'SEMAPHORE_ARTIFACT_TOKEN', value: base64('an earlier token') },
  { name: 'SEMAPHORE_ORGANIZATION_URL', value: base64('https://acme.example.test') },
  { name: 'SEMAPHORE_ARTIFACT_TOKEN', value: base64('artifact-secret') },
];

const lines = [
  '{"event":"job_started","timestamp":1}',
  '{"event":"cmd_started","timestamp":1,"directive":"npm ci\\nnpm test"}',
  outputLine('Running: npm ci\n'),
  outputLine('no line end, ünïcode €'),
  '{"event":"cmd_finished","timestamp":1,"directive":"npm ci","exit_code":0,"started_at":1,"finished_at":1}',
  '{"event":"cmd_started","timestamp":1,"directive":"next"}',
  finishedLine,
];
const plainText = 'npm ci\nnpm test\nRunning: npm ci\nno line end, ünïcode €next\n';

function spoolOf(written: readonly string[]): Spool {
  const spool = Spool.create({ path: join(tempDir(), 'events'), clock: systemClock, logger: memoryLogger([]) });
  for (const line of written) spool.append(line);
  return spool;
}

describe('the plain text of a job log', () => {
  it('has directives with line ends and outputs as they are, and nothing else', async () => {
    const path = join(tempDir(), 'text');
    expect(await writePlainText(spoolOf(lines), path)).toBe(Buffer.byteLength(plainText));
    expect(readFileSync(path, 'utf8')).toBe(plainText);
  });

  it('is made of lines of any length and number', async () => {
    const path = join(tempDir(), 'text');
    const long = 'y'.repeat(2_000_000);
    const many = Array.from({ length: 20_000 }, (_, index) => `${index} of many\n`);
    const bytes = await writePlainText(spoolOf([long, ...many].map(outputLine)), path);
    const expected = long + many.join('');
    expect(readFileSync(path, 'utf8') === expected).toBe(true);
    expect(bytes).toBe(expected.length);
  });
});

describe('the policy for uploads', () => {
  const job = (word: string) => [{ name: 'SEMAPHORE_AGENT_UPLOAD_JOB_LOGS', value: base64(word) }];

  it.each(['never', 'always', 'when-trimmed'])('of an agent that is self-hosted is its option: %s', (option) => {
    expect(uploadPolicyOf({ mode: 'self-hosted', option, variables: job('always') })).toBe(option);
  });

  it('of an agent that is self-hosted is no other word, and "never" without one', () => {
    expect(() => uploadPolicyOf({ mode: 'self-hosted', option: 'sometimes', variables: [] })).toThrow('sometimes');
    expect(uploadPolicyOf({ mode: 'self-hosted', variables: [] })).toBe('never');
  });

  it.each([
    ['never', 'never'],
    ['always', 'always'],
    ['when-trimmed', 'when-trimmed'],
    ['Always', 'never'],
    ['', 'never'],
  ])('of a hosted job is its variable: "%s" is %s', (word, policy) => {
    expect(uploadPolicyOf({ mode: 'hosted', option: 'always', variables: job(word) })).toBe(policy);
  });

  it('of a hosted job without the variable is "never"; of `run` it is what can be', () => {
    expect(uploadPolicyOf({ mode: 'hosted', option: 'always', variables: [] })).toBe('never');
    expect(uploadPolicyOf({ mode: 'run', variables: [] })).toBe('if-possible');
  });
});

describe('the size from which on uploads are compressed', () => {
  it.each([
    [undefined, 104_857_600],
    ['', 104_857_600],
    ['1048576', 1_048_576],
    ['1048575', 104_857_600],
    ['1073741824', 1_073_741_824],
    ['1073741825', 104_857_600],
    ['2000000', 2_000_000],
    ['+2000000', 2_000_000],
    ['-2000000', 104_857_600],
    ['2e6', 104_857_600],
    ['2 MB', 104_857_600],
  ])('%s is %i bytes', (word, bytes) => {
    expect(compressionThreshold({ SEMAPHORE_AGENT_LOGS_COMPRESSION_SIZE: word })).toBe(bytes);
  });
});

interface Upload {
  policy?: UploadPolicy;
  trimmed?: boolean;
  ends?: string;
  env?: Record<string, string>;
  spool?: Spool;
  timeoutMs?: number;
  signal?: AbortSignal;
  access?: boolean;
}

function makeUpload(options: Upload = {}) {
  const place = tempDir('artifact-');
  const directory = tempDir('log-');
  const said: string[] = [];
  const env = {
    PATH: `${standIn}:/usr/bin:/bin`,
    ARTIFACT_PLACE: place,
    ARTIFACT_ENDS: options.ends ?? '',
    OF_THE_AGENT: 'yes',
    SEMAPHORE_JOB_ID: 'of the agent',
    ...options.env,
  };
  const done = (): Promise<boolean> =>
    uploadLog({
      spool: options.spool ?? spoolOf(lines),
      jobId: 'job/1',
      textFile: join(directory, 'job_logs.txt'),
      policy: options.policy ?? 'always',
      trimmed: options.trimmed ?? false,
      access: options.access === false ? undefined : artifactAccessOf(variables),
      env,
      timeoutMs: options.timeoutMs,
      signal: options.signal ?? new AbortController().signal,
      clock: new FastClock(100),
      logger: memoryLogger(said),
    });
  return {
    done,
    place,
    directory,
    said,
    env,
    read: (name: string) => readFileSync(join(place, name), 'utf8'),
    runs: () => readdirSync(place).filter((name) => name.startsWith('args')).length,
  };
}

describe('the upload of a job log', () => {
  it.each<[UploadPolicy, boolean, boolean]>([
    ['never', false, false],
    ['never', true, false],
    ['always', false, true],
    ['always', true, true],
    ['when-trimmed', false, false],
    ['when-trimmed', true, true],
    ['if-possible', false, true],
  ])('by the policy %s, trimmed %s: %s', async (policy, trimmed, wanted) => {
    const upload = makeUpload({ policy, trimmed });
    expect(await upload.done()).toBe(wanted);
    expect(upload.runs()).toBe(wanted ? 1 : 0);
  });

  it('runs the tool with these arguments, the environment of the agent and three variables more, on a private file', async () => {
    const upload = makeUpload();
    expect(await upload.done()).toBe(true);
    const file = join(upload.directory, 'job_logs.txt');
    expect(upload.read('args.1')).toBe(['push', 'job', file, '-d', 'agent/job_logs.txt', ''].join('\n'));
    const env = upload
      .read('env.1')
      .trim()
      .split('\n')
      .filter((line) => !/^(_|PWD|OLDPWD|SHLVL)=/.test(line));
    const expected = {
      ...upload.env,
      SEMAPHORE_ARTIFACT_TOKEN: 'artifact-secret',
      SEMAPHORE_JOB_ID: 'job/1',
      SEMAPHORE_ORGANIZATION_URL: 'https://acme.example.test',
    };
    expect(env.sort()).toEqual(
      Object.entries(expected)
        .map(([name, value]) => `${name}=${value}`)
        .sort(),
    );
    expect(upload.read('file.1')).toMatch(/^-rw------- /);
    expect(upload.read('uploaded.1')).toBe(plainText);
    expect(readdirSync(upload.directory)).toEqual([]);
    expect(upload.said).toEqual([expect.stringContaining('The job log was uploaded')]);
  });

  it('compresses a text from the threshold on', async () => {
    const output = 'some output\n'.repeat(100_000);
    const env = { SEMAPHORE_AGENT_LOGS_COMPRESSION_SIZE: '1048576' };
    const upload = makeUpload({ spool: spoolOf([outputLine(output)]), env });
    expect(await upload.done()).toBe(true);
    expect(upload.read('args.1').split('\n').slice(2, 5)).toEqual([
      join(upload.directory, 'job_logs.txt.gz'),
      '-d',
      'agent/job_logs.txt.gz',
    ]);
    expect(gunzipSync(readFileSync(join(upload.place, 'uploaded.1'))).toString()).toBe(output);
    expect(upload.read('file.1')).toMatch(/^-rw------- /);
    expect(readdirSync(upload.directory)).toEqual([]);
    const smaller = makeUpload({ spool: spoolOf([outputLine('x'.repeat(1_048_575))]), env });
    await smaller.done();
    expect(smaller.read('args.1')).toContain('agent/job_logs.txt\n');
  });

  it('is left out with an error when the job has no token, or there is no tool; `run` does not mind', async () => {
    const tokenless = makeUpload({ access: false });
    expect(await tokenless.done()).toBe(false);
    expect(tokenless.said).toEqual([expect.stringContaining('the job has no SEMAPHORE_ARTIFACT_TOKEN')]);
    const toolless = makeUpload({ env: { PATH: '/nowhere' } });
    expect(await toolless.done()).toBe(false);
    expect(toolless.said).toEqual([expect.stringContaining('no artifact tool in the PATH')]);
    const run = makeUpload({ policy: 'if-possible', access: false });
    expect(await run.done()).toBe(false);
    expect(run.said).toEqual([expect.stringMatching(/^The job log is not uploaded/)]);
    expect(artifactAccessOf(variables.slice(0, 1))).toBeUndefined();
    expect(artifactAccessOf(variables.slice(1, 2))).toBeUndefined();
  });

  it('is tried once more when it fails, then that is logged, without the token', async () => {
    const upload = makeUpload({ ends: '1 0' });
    expect(await upload.done()).toBe(true);
    expect(upload.runs()).toBe(2);
    const failing = makeUpload({ ends: '3 4 0' });
    expect(await failing.done()).toBe(false);
    expect(failing.runs()).toBe(2);
    expect(failing.said.at(-1)).toContain('could not be uploaded');
    expect(failing.said.at(-1)).toContain('exit code 4: stand-in, run 2, token ***');
    expect(failing.said.join('')).not.toContain('artifact-secret');
    expect(readdirSync(failing.directory)).toEqual([]);
  });

  it('has a time limit, after which nothing of the tool is left', async () => {
    const upload = makeUpload({ ends: 'hang 0', timeoutMs: 1500 });
    expect(await upload.done()).toBe(true);
    expect(upload.said[0]).toContain('"outcome":"timeout"');
    // One that nobody has buried yet has no command line either.
    const commandLine = `/proc/${upload.read('sleeper').trim()}/cmdline`;
    await until(() => !existsSync(commandLine) || readFileSync(commandLine, 'utf8') === '', 'the end of its child');
  });

  it('ends when the agent cannot wait', async () => {
    const abandon = new AbortController();
    const upload = makeUpload({ ends: 'hang', signal: abandon.signal });
    const done = upload.done();
    await until(() => existsSync(join(upload.place, 'sleeper')), 'the tool');
    abandon.abort();
    expect(await done).toBe(false);
    expect(upload.said.at(-1)).toContain('"outcome":"aborted"');
    expect(readdirSync(upload.directory)).toEqual([]);
  });

  it('comes after the log was closed and before its file is removed, whatever becomes of it', async () => {
    const place = tempDir('artifact-');
    const said: string[] = [];
    const state = tempDir('state-');
    const log = await openJobLog({
      request: readJobRequest({ job_id: 'j', env_vars: variables, logger: { max_size_in_bytes: 100 } }),
      state,
      sealToken,
      upload: 'when-trimmed',
      env: { PATH: `${standIn}:/usr/bin:/bin`, ARTIFACT_PLACE: place, ARTIFACT_ENDS: '1 1' },
      clock: new FastClock(100),
      logger: memoryLogger(said),
    });
    if (!(log instanceof FileLog)) throw new Error('not a file');
    for (const line of lines) log.write(line);
    const order: string[] = [];
    await log.close({
      onClosed: async (trimmed) => {
        order.push(`closed, trimmed: ${trimmed}, runs: ${readFileSync(join(place, 'count'), 'utf8').trim()}`);
      },
    });
    expect(order).toEqual(['closed, trimmed: true, runs: 2']);
    expect(readFileSync(join(place, 'uploaded.1'), 'utf8')).toBe(plainText);
    expect(readdirSync(join(state, 'logs'))).toEqual([]);
  });

  it('has all of a log that the server had enough of', async () => {
    const place = tempDir('artifact-');
    const job = await assignJob({ maxLogBytes: 500 }, { env_vars: variables });
    const { log, state } = await openPushed(job, {
      upload: 'when-trimmed',
      env: { PATH: `${standIn}:/usr/bin:/bin`, ARTIFACT_PLACE: place },
    });
    const outputs = Array.from({ length: 50 }, (_, index) => `line ${index}\n`);
    for (const output of outputs) log.write(outputLine(output));
    await log.close();
    expect(job.hub.job(job.request.jobId).trimmed).toBe(true);
    expect(readFileSync(join(place, 'uploaded.1'), 'utf8')).toBe(outputs.join(''));
    expect(readdirSync(join(state, 'logs'))).toEqual([]);
  });
});
