import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createEventWriter, jobSecrets } from '../../src/agent/index.ts';
import { systemClock } from '../../src/lib/index.ts';
import { createMasker } from '../../src/logs/index.ts';
import { readJobRequest } from '../../src/protocol/ci/index.ts';
import { base64, directives, type JobEvent, outputOf, runTestJob, variable } from './job-setup.ts';

const secret = 'hunter2-"correct horse"';
const key = '-----BEGIN KEY-----\nc2VjcmV0LWxpbmUtb25l\nc2VjcmV0LWxpbmUtdHdv\n-----END KEY-----\n';

function writer(secrets: string[]): { events: ReturnType<typeof createEventWriter>; outputs: () => string[] } {
  const outputs: string[] = [];
  const events = createEventWriter({
    log: { write: (line) => outputs.push((JSON.parse(line) as JobEvent).output ?? '|') },
    clock: systemClock,
    secrets,
  });
  return { events, outputs: () => outputs };
}

const patience = { timeout: 20_000 };
const ended = { directive: '', exitCode: 0, startedAt: 0, finishedAt: 0 };

describe('masking of a log', () => {
  it('is off unless asked for', async () => {
    const job = await runTestJob({
      request: { env_vars: [variable('PASSWORD', secret)], commands: directives('echo "$PASSWORD"') },
    });
    expect(outputOf(job)).toContain(secret);
  });

  it('hides values of variables, of the host too, and contents of files, also encoded', async () => {
    const job = await runTestJob({
      maskSecrets: true,
      hostVariables: [{ name: 'OF_HOST', value: 'value-of-the-host' }],
      request: {
        env_vars: [variable('PASSWORD', secret), variable('SEMAPHORE_JOB_NAME', 'unit tests'), variable('CI', 'true')],
        files: [{ path: 'key', content: base64(key), mode: '0600' }],
        commands: [
          {
            directive:
              'echo "a $PASSWORD b $OF_HOST"; cat ~/key; printf %s "$PASSWORD" | base64 -w0; echo; echo true unit tests',
          },
          { directive: 'echo value-of-the-host', alias: 'Tell value-of-the-host' },
        ],
        epilogue_always_commands: directives('echo $SEMAPHORE_JOB_RESULT'),
      },
    });
    const text = job.story.join('\n');
    for (const hidden of ['hunter2', 'correct horse', 'value-of-the-host', 'c2VjcmV0', 'aHVudGVy']) {
      expect(text).not.toContain(hidden);
    }
    expect(text).toContain('a *** b ***\n-----BEGIN KEY-----\n***\n-----END KEY-----\n***\n');
    expect(text).toContain('true unit tests\n');
    const told = job.story.indexOf('$ Tell ***');
    expect(job.story.slice(told, told + 4)).toEqual(['$ Tell ***', 'Running: echo ***\n', '***\n', '= 0']);
    expect(job.story).toContain('Exporting PASSWORD\n');
    expect(job.story).toContain('passed\n');
  });

  it('hides a secret that a command prints with a pause in it', async () => {
    const job = await runTestJob({
      maskSecrets: true,
      request: {
        env_vars: [variable('PASSWORD', 'hunter2-secret')],
        commands: [{ directive: 'printf "%s" "${PASSWORD:0:7}"; sleep 0.7; echo "${PASSWORD:7}"', alias: 'x' }],
      },
    });
    expect(job.story).toContain('***\n');
    expect(outputOf(job)).not.toContain('hunter2');
    expect(outputOf(job)).not.toContain('-secret');
  });

  it('hides a secret wherever the output is cut, and changes nothing else', () => {
    const text = `first ${secret} žluťoučký 🐎\n${key}\nlast ${Buffer.from(secret).toString('base64')} ${JSON.stringify(secret)}, ${secret}`;
    const whole = createMasker([secret, key], 4).mask(text);
    // Output is never cut inside a character.
    const characters = Array.from(text);
    for (let cut = 1; cut < characters.length; cut += 1) {
      const { events, outputs } = writer([secret, key]);
      events.output(characters.slice(0, cut).join(''));
      events.output(characters.slice(cut).join(''));
      events.commandFinished(ended);
      expect(outputs().join('')).toBe(`${whole}|`);
    }
    const { events, outputs } = writer([secret, key]);
    for (const character of characters) events.output(character);
    events.commandFinished(ended);
    expect(outputs().join('')).toBe(`${whole}|`);
  });

  it('hands on complete lines at once, parts of lines soon, and the beginning of a secret not before it is one or none', async () => {
    const { events, outputs } = writer([secret]);
    events.output('line\nprompt> ');
    expect(outputs()).toEqual(['line\n']);
    await expect.poll(outputs, patience).toEqual(['line\n', 'prompt> ']);
    events.output('again hunter2-"c');
    await expect.poll(() => outputs().join(''), patience).toBe('line\nprompt> again ');
    await delay(500);
    expect(outputs().join('')).toBe('line\nprompt> again ');
    events.output('lear\n');
    expect(outputs().join('')).toBe('line\nprompt> again hunter2-"clear\n');
    events.output('hunter2');
    events.commandFinished(ended);
    expect(outputs().slice(-2)).toEqual(['hunter2', '|']);
    events.output('line\n> hu');
    await delay(500);
    expect(outputs().at(-1)).toBe('> ');
    events.output(`${secret.slice(2)}!`);
    events.commandFinished(ended);
    expect(outputs().slice(-2)).toEqual(['***!', '|']);
  });

  it('hides the rest of a secret of which the beginning was not recognised', async () => {
    const { events, outputs } = writer([secret]);
    const encoded = Buffer.from(secret).toString('base64');
    events.output(encoded.slice(0, 2));
    await expect.poll(outputs, patience).toEqual([encoded.slice(0, 2)]);
    events.output(`${encoded.slice(2)}\n`);
    expect(outputs().slice(1)).toEqual(['***\n']);
  });

  it('does not wait for the end of output that trickles or has no lines', async () => {
    const { events, outputs } = writer([secret]);
    for (let step = 0; step < 12; step += 1) {
      events.output('.');
      await delay(50);
    }
    expect(outputs().join('').length).toBeGreaterThan(0);
    events.output('x'.repeat(100_000));
    expect(outputs().join('').length).toBeGreaterThan(90_000);
    events.commandFinished(ended);
    expect(outputs().join('')).toBe(`${'.'.repeat(12)}${'x'.repeat(100_000)}|`);
  });
});

describe('jobSecrets', () => {
  it('are the values that are not the same for everybody', () => {
    const request = readJobRequest({
      env_vars: [
        ...['CI', 'TERM', 'SEMAPHORE_PROJECT_NAME', 'SEMAPHORE_GIT_SHA'].map((name) =>
          variable(name, `public-${name}`),
        ),
        ...['SEMAPHORE_ARTIFACT_TOKEN', 'SEMAPHORE_OIDC_TOKEN', 'MY_VALUE'].map((name) => variable(name, `of ${name}`)),
        { name: 'BROKEN', value: '*' },
        variable('EMPTY', ''),
      ],
      files: [
        { path: 'x', content: base64('of file'), mode: '0600' },
        { path: 'data', content: base64('x'.repeat(100_000)), mode: '0600' },
        { path: 'binary', content: Buffer.from([0xff, 0xfe]).toString('base64'), mode: '0600' },
      ],
      compose: {
        containers: [{ name: 'db', env_vars: [variable('POSTGRES_PASSWORD', 'of container')] }],
        image_pull_credentials: [{ env_vars: [variable('DOCKER_PASSWORD', 'of registry')], files: [] }],
      },
      callbacks: { token: 'of callback' },
      logger: { token: 'of log' },
    });
    expect(jobSecrets(request, [{ name: 'H', value: 'of host' }])).toEqual([
      'of SEMAPHORE_ARTIFACT_TOKEN',
      'of SEMAPHORE_OIDC_TOKEN',
      'of MY_VALUE',
      'of container',
      'of registry',
      'of file',
      'of host',
      'of callback',
      'of log',
    ]);
  });
});
