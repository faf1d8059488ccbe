import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createLogger,
  logLevels,
  maskedLogger,
  type CreateLoggerOptions,
  type Logger,
} from '../../src/telemetry/index.ts';

let directory: string;
let fd: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'semaphore-log-'));
  fd = openSync(join(directory, 'log'), 'a');
});

afterEach(() => {
  closeSync(fd);
  rmSync(directory, { recursive: true, force: true });
});

function written(options: Partial<CreateLoggerOptions>, use: (logger: Logger) => void): string[] {
  use(createLogger({ level: 'INFO', destination: fd, ...options }));
  const text = readFileSync(join(directory, 'log'), 'utf8');
  return text.split('\n').slice(0, -1);
}

const withoutTime = (line: string | undefined) => line?.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /, 'TIME ');

describe('the process log', () => {
  it('is one readable line per message when it does not go to a terminal', () => {
    const lines = written({}, (logger) => {
      logger.info('Task started', { context: 'job_running', task_id: 7, command: 'ansible-playbook site.yml' });
    });
    expect(lines.map(withoutTime)).toEqual([
      'TIME INFO Task started context=job_running task_id=7 command="ansible-playbook site.yml"',
    ]);
  });

  it('is on disk as soon as it was logged', () => {
    const logger = createLogger({ level: 'INFO', destination: fd });
    logger.error('gone in the next instant');
    expect(readFileSync(join(directory, 'log'), 'utf8')).toContain('gone in the next instant');
  });

  it.each(logLevels)('writes nothing below %s', (level) => {
    const lines = written({ level }, (logger) => {
      logger.debug('DEBUG');
      logger.info('INFO');
      logger.warn('WARN');
      logger.error('ERROR');
    });
    const expected = ['DEBUG', 'INFO', 'WARN', 'ERROR'].slice(logLevels.indexOf(level));
    expect(lines.map((line) => line.split(' ')[2])).toEqual(expected);
  });

  it('gives the fields of a child to each of its lines, and lets a call override them', () => {
    const lines = written({}, (logger) => {
      const child = logger.child({ context: 'git', task_id: 1 });
      child.info('a');
      child.child({ step: 'clone' }).warn('b', { task_id: 2 });
    });
    expect(lines.map(withoutTime)).toEqual([
      'TIME INFO a context=git task_id=1',
      'TIME WARN b context=git task_id=2 step=clone',
    ]);
  });

  it('writes JSON with each key once when asked to', () => {
    const lines = written({ format: 'json' }, (logger) => {
      logger.child({ task_id: 1 }).warn('careful', { task_id: 2, error: new Error('broken'), none: undefined });
    });
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'warn',
      time: expect.stringMatching(/Z$/),
      task_id: 2,
      error: 'broken',
      msg: 'careful',
    });
    expect(lines[0]?.match(/task_id/g)).toHaveLength(1);
  });

  it('shows the message of an error, and its stack at DEBUG only', () => {
    const error = new Error('no such file');
    expect(written({}, (logger) => logger.error('Failed', { error })).at(-1)).toMatch(/error="no such file"$/);
    expect(written({ level: 'DEBUG' }, (logger) => logger.error('Failed', { error })).at(-1)).toMatch(
      /error_stack="Error:/,
    );
  });

  it('keeps line breaks and terminal escapes out of a line', () => {
    const lines = written({}, (logger) => logger.info('a\nb\u001B[31m', { text: 'c\r\nd\u001B]0;x' }));
    expect(lines.map(withoutTime)).toEqual([String.raw`TIME INFO a\nb\u001b[31m text="c\r\nd\u001b]0;x"`]);
  });

  it('does not lose a field whose name it needs itself', () => {
    const [line] = written({}, (logger) => logger.info('a', { level: 'x', msg: 'y', time: 'z' }));
    expect(withoutTime(line)).toBe('TIME INFO a level_=x msg_=y time_=z');
  });

  it('shows every finished line to the masker', () => {
    const lines = written({ mask: (text) => text.replaceAll('hunter2', '***') }, (logger) => {
      logger.info('hunter2', { error: new Error('password hunter2 refused'), deep: { a: ['hunter2'] } });
    });
    expect(lines.join('')).not.toContain('hunter2');
    expect(lines.map(withoutTime)).toEqual(['TIME INFO *** error="password *** refused" deep="{\\"a\\":[\\"***\\"]}"']);
  });

  it.each(['text', 'json'] as const)('shows no credentials of URLs as %s', (format) => {
    const [line] = written({ format }, (logger) => {
      logger.warn('Cannot reach https://bob:hunter22@h/x', {
        url: 'https://tok-123@h/y',
        error: new Error('http://a:pw-9@p:1'),
      });
    });
    expect(line).not.toMatch(/hunter22|tok-123|pw-9/);
    expect(line).toContain('https://bob:***@h/x');
  });

  it('masks every message and field of a logger with secrets of its own, and of its children', () => {
    const mask = (text: string) => text.replaceAll('hunter2', '***');
    const lines = written({ level: 'DEBUG' }, (logger) => {
      const own = maskedLogger(logger, mask);
      own.info('hunter2', { error: new Error('hunter2 refused'), deep: { list: ['hunter2', 1, null] } });
      own.child({ user: 'hunter2' }).debug('x', { count: 1 });
      own.warn('y');
      own.error('z', { password: 'hunter2' });
      logger.info('hunter2 is no secret of the log as a whole');
    });
    expect(lines.slice(0, -1).join('\n')).not.toContain('hunter2');
    expect(lines.at(-1)).toContain('hunter2');
    expect(withoutTime(lines[1])).toBe('TIME DEBUG x user="***" count=1');
  });

  it('colours lines for eyes', () => {
    const [plain] = written({ colour: false, format: 'text' }, (logger) => logger.warn('a', { b: 1 }));
    expect(plain).not.toContain('\u001B');
    const lines = written({ colour: true, level: 'DEBUG' }, (logger) => logger.warn('a', { error: new Error('bad') }));
    // oxlint-disable-next-line no-control-regex -- colours are control characters
    expect(lines[1]).toMatch(/^\u001B\[2m\d\d:\d\d:\d\d\u001B\[0m \u001B\[33mWARN \u001B\[0m a /);
    expect(lines.length).toBeGreaterThan(3);
  });

  it.each([
    [undefined, ['git', 'git_lfs', 'run', 'none']],
    ['git', ['git']],
    ['git*', ['git', 'git_lfs']],
    ['git, run', ['git', 'run']],
    ['-git*', ['run', 'none']],
    ['git*,-git_lfs', ['git']],
  ])('narrows DEBUG lines with the filter %s', (debugFilter, expected) => {
    const lines = written({ level: 'DEBUG', debugFilter }, (logger) => {
      logger.child({ context: 'git' }).debug('git');
      logger.debug('git_lfs', { context: 'git_lfs' });
      logger.debug('run', { context: 'run' });
      logger.debug('none');
      logger.info('always', { context: 'other' });
    });
    expect(lines.map((line) => line.split(' ')[2])).toEqual([...expected, 'always']);
  });
});
