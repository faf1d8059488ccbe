import { describe, expect, it } from 'vitest';
import { commands } from '../../src/commands/index.ts';
import { runInProcess } from '../support/run-cli.ts';

const ids = Object.keys(commands);

describe('help', () => {
  it.each([[], ['--help'], ['-h'], ['help']])('of the program: %j', async (...argv) => {
    const { code, out, err } = await runInProcess(argv);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const id of ids) expect(out).toContain(`\n  ${id.replaceAll(':', ' ')} `);
  });

  it.each(ids.map((id) => [id]))('of %s is worth reading', async (id) => {
    const words = id.split(':');
    const { code, out, err } = await runInProcess([...words, '--help']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^\S.*\.\n\nUsage: semaphore /);
    expect(out).toContain('\nExamples:\n');
    const prose = out
      .replaceAll('<port>', '3000')
      .split('\n')
      .filter((line) => !/^ {2}[$#]/.test(line));
    expect(Math.max(...prose.map((line) => line.length))).toBeLessThanOrEqual(100);
    for (const name of Object.keys({ ...commands[id]?.flags, ...commands[id]?.baseFlags })) {
      expect(out).toMatch(new RegExp(`\\n {2}--(\\[no-\\])?${name}\\b`));
    }
    expect((await runInProcess(['help', ...words])).out).toBe(out);
    expect((await runInProcess([...words, '-h', 'whatever'])).out).toBe(out);
  });

  it('of a topic lists its commands, with or without asking', async () => {
    const topic = await runInProcess(['config']);
    expect(topic).toMatchObject({ code: 0, out: expect.stringMatching(/^Usage: semaphore config COMMAND/) });
    expect(await runInProcess(['config', '--help'])).toEqual(topic);
    const runner = await runInProcess(['runner']);
    expect(runner).toMatchObject({ code: 0, out: expect.stringContaining('runner unregister') });
    expect(await runInProcess(['runner', '--log-level', 'error'])).toEqual(runner);
  });
});

describe('a command line that is wrong', () => {
  it.each([
    ['bogus', 'unknown command: semaphore bogus', 'See: semaphore --help'],
    ['runnr start', 'unknown command: semaphore runnr', 'Did you mean: semaphore runner?'],
    ['runner strat', 'unknown command: semaphore runner strat', 'Did you mean: semaphore runner start?'],
    ['runner strat --help', 'unknown command: semaphore runner strat', 'Did you mean: semaphore runner start?'],
    ['runner reg', 'unknown command: semaphore runner reg', 'Did you mean: semaphore runner register?'],
    ['runner stop now', 'unknown command: semaphore runner stop', 'See: semaphore runner --help'],
    ['conf', 'unknown command: semaphore conf', 'Did you mean: semaphore config?'],
    ['runner start now', 'unexpected argument: now', 'See: semaphore runner start --help'],
    ['runner --config x now', 'unknown command: semaphore runner now', 'See: semaphore runner --help'],
    ['--config x', 'the command is missing', 'See: semaphore --help'],
    ['runner start --bogus', 'nonexistent flag: --bogus', 'See: semaphore runner start --help'],
    ['runner start --config', 'flag --config expects a value', 'See: semaphore runner start --help'],
    [
      'runner start --config a --no-config',
      '--no-config=true cannot also be provided when using --config',
      'See: semaphore runner start --help',
    ],
    [
      'runner start --log-level loud',
      '--log-level: unknown log level "loud"',
      'Use one of DEBUG, INFO, WARN, ERROR, FATAL, PANIC.',
    ],
    [
      'runner start --log-format xml',
      'expected --log-format=xml to be one of: auto, text, json',
      'See: semaphore runner start --help',
    ],
    [
      'runner register --project-id x',
      '--project-id: Expected an integer but received: x',
      'See: semaphore runner register --help',
    ],
    ['completion', 'missing 1 required arg: shell', 'See: semaphore completion --help'],
    ['completion tcsh', 'expected tcsh to be one of: bash, zsh, fish', 'See: semaphore completion --help'],
  ])('%s', async (line, message, hint) => {
    const { code, out, err } = await runInProcess(line.split(' '));
    expect({ code, out }).toEqual({ code: 2, out: '' });
    const [first = '', second, ...rest] = err.trimEnd().split('\n');
    expect(first.startsWith(`Error: ${message}`), first).toBe(true);
    expect(second).toBe(hint);
    expect(rest).toEqual([]);
  });

  it('is checked in the environment too', async () => {
    const { code, err } = await runInProcess(['config', 'show', '--no-config'], {
      env: { SEMAPHORE_LOG_LEVEL: 'loud' },
    });
    expect({ code, err }).toEqual({
      code: 2,
      err: 'Error: --log-level: unknown log level "loud"\nUse one of DEBUG, INFO, WARN, ERROR, FATAL, PANIC.\n',
    });
    expect(
      (await runInProcess(['config', 'show', '--no-config'], { env: { SEMAPHORE_LOG_LEVEL: 'debug' } })).code,
    ).toBe(0);
  });

  it('shows a stack at DEBUG only', async () => {
    const quiet = await runInProcess(['config', 'show']);
    const loud = await runInProcess(['config', 'show', '--log-level', 'debug']);
    expect(quiet.code).toBe(2);
    expect(quiet.err.trimEnd().split('\n')).toHaveLength(2);
    expect(loud.err.startsWith(quiet.err)).toBe(true);
    expect(loud.err).toMatch(/\nConfigError: no configuration file found.*\n\s+at /);
    expect((await runInProcess(['config', 'show'], { env: { SEMAPHORE_LOG_LEVEL: 'DEBUG' } })).err).toMatch(/\n\s+at /);
  });
});

describe('config show', () => {
  it('tells what is in effect and where it comes from', async () => {
    const { code, out, err } = await runInProcess(['config', 'show', '--no-config'], {
      env: {
        SEMAPHORE_WEB_ROOT: 'http://localhost:3000',
        SEMAPHORE_RUNNER_TOKEN: 'secret',
        SEMAPHORE_RUNNER_TAGS: '["a"]',
      },
    });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toBe(`Configuration file: none
web_host      "http://localhost:3000"  (SEMAPHORE_WEB_ROOT)
runner.token  ***  (SEMAPHORE_RUNNER_TOKEN)
runner.tags   ["a"]  (SEMAPHORE_RUNNER_TAGS)
`);
  });

  it('shows defaults when asked to', async () => {
    const { out } = await runInProcess(['config', 'show', '--no-config', '--all']);
    expect(out).toMatch(/\nrunner\.max_parallel_tasks +9999 {2}\(default\)\n/);
  });
});
