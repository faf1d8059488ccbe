import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type AgentLog, agentLogPath, LogDirectoryError, openAgentLog } from '../../src/agent/agent-log.ts';
import { UserError } from '../../src/lib/index.ts';
import { tempDir } from '../support/temp-dir.ts';

interface Opened {
  log: AgentLog;
  file: () => string;
  out: () => string;
}

function open(env: Record<string, string> = {}, mask?: (text: string) => string): Opened {
  let out = '';
  const log = openAgentLog({
    env: { SEMAPHORE_AGENT_LOG_FILE_PATH: join(tempDir(), 'agent.log'), ...env },
    stdout: (text) => {
      out += text;
    },
    mask,
    now: () => new Date('2026-08-01T21:07:06.042Z'),
  });
  return { log, file: () => readFileSync(log.path, 'utf8'), out: () => out };
}

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe('a line of the agent log', () => {
  it('is in the file and on standard output, with time in UTC and without level', () => {
    const { log, file, out } = open();
    log.logger.info('Starting Agent');
    expect(file()).toBe('Aug  1 21:07:06.042 : Starting Agent\n');
    expect(out()).toBe(file());
  });

  it('has the name of the agent from then on, and another one when that changes', () => {
    const { log, file } = open();
    log.setName('[sts.amazonaws.com]');
    log.logger.info('one');
    log.setName('my-agent-name');
    log.logger.error('two');
    log.setName('');
    log.logger.error('three');
    expect(file()).toBe(
      'Aug  1 21:07:06.042 [sts.amazonaws.com] : one\nAug  1 21:07:06.042 my-agent-name : two\nAug  1 21:07:06.042 : three\n',
    );
  });

  it('has its fields before the message, those of a child first', () => {
    const { log, file } = open();
    log.setName('a');
    const child = log.logger.child({ job: 'j', none: undefined });
    child.warn('text', { attempts: 3, why: 'two words', e: new Error('gone'), list: ['x'], empty: '' });
    expect(file()).toBe(
      `Aug  1 21:07:06.042 a job=j attempts=3 why="two words" e=gone list="[\\"x\\"]" empty="" : text\n`,
    );
  });

  it('is one line, whatever the message holds', () => {
    const { log, file } = open();
    log.logger.info('a\nAug  1 21:07:06.042 : forged\r');
    expect(file()).toBe('Aug  1 21:07:06.042 : a\\nAug  1 21:07:06.042 : forged\\r\n');
  });

  it('may be in a form of its own', () => {
    const { log, file } = open();
    log.setName('a');
    log.raw('127.0.0.1 - - [01/Aug/2026:21:07:06 +0000] "GET /is_alive HTTP/1.1" 200 3');
    expect(file()).toBe('127.0.0.1 - - [01/Aug/2026:21:07:06 +0000] "GET /is_alive HTTP/1.1" 200 3\n');
  });

  it('shows no secret, wherever it stands', () => {
    const { log, file, out } = open({}, (text) => text.replaceAll('rt-5f0c', '***'));
    log.setName('rt-5f0c');
    log.logger.info('token rt-5f0c', { url: 'https://user:hidden@host/', rest: 'rt-5f0c' });
    log.raw('rt-5f0c');
    log.fatal('rt-5f0c');
    for (const text of [file(), out()]) expect(text).not.toMatch(/rt-5f0c|hidden/);
  });
});

describe('the level', () => {
  const shown = (level: string | undefined) => {
    const { log, file } = open(level === undefined ? {} : { SEMAPHORE_AGENT_LOG_LEVEL: level });
    log.logger.debug('d');
    log.logger.info('i');
    log.logger.warn('w');
    log.logger.error('e');
    log.fatal('f');
    return file().replaceAll(/.* : /g, '').replaceAll('\n', '');
  };

  it.each([
    [undefined, 'iwef'],
    ['', 'iwef'],
    ['trace', 'diwef'],
    ['DEBUG', 'diwef'],
    ['Info', 'iwef'],
    ['warn', 'wef'],
    ['warning', 'wef'],
    ['error', 'ef'],
    ['fatal', 'f'],
    ['panic', 'f'],
  ])('%s', (level, expected) => {
    expect(shown(level)).toBe(expected);
  });

  it('that does not exist is refused', () => {
    expect(() => open({ SEMAPHORE_AGENT_LOG_LEVEL: 'loud' })).toThrow('Log level loud not supported');
  });
});

describe('the file', () => {
  it('is agent_log in the directory for temporary files unless a variable names it', () => {
    expect(agentLogPath({ TMPDIR: '/somewhere' })).toBe('/somewhere/agent_log');
    expect(agentLogPath({ TMPDIR: '/somewhere', SEMAPHORE_AGENT_LOG_FILE_PATH: '' })).toBe('/somewhere/agent_log');
    expect(agentLogPath({ SEMAPHORE_AGENT_LOG_FILE_PATH: '/a/b' })).toBe('/a/b');
  });

  it('is appended to, and keeps its mode', () => {
    const path = join(tempDir(), 'log');
    writeFileSync(path, 'before\n', { mode: 0o644 });
    const { log, file } = open({ SEMAPHORE_AGENT_LOG_FILE_PATH: path });
    log.logger.info('x');
    expect(file()).toMatch(/^before\n.* : x\n$/);
    expect(modeOf(path)).toBe('644');
  });

  it('and the directories above it are made for owner and group', () => {
    const umask = process.umask(0o077);
    onTestFinished(() => void process.umask(umask));
    const root = tempDir();
    open({ SEMAPHORE_AGENT_LOG_FILE_PATH: join(root, 'a/b/agent.log') });
    expect([modeOf(join(root, 'a')), modeOf(join(root, 'a/b')), modeOf(join(root, 'a/b/agent.log'))]).toEqual([
      '750',
      '750',
      '640',
    ]);
    expect(modeOf(root)).toBe('700');
  });

  it('is an error of its own kind when its directory cannot be made', () => {
    const root = tempDir();
    writeFileSync(join(root, 'file'), '');
    expect(() => open({ SEMAPHORE_AGENT_LOG_FILE_PATH: join(root, 'file/x/log') })).toThrow(LogDirectoryError);
  });

  it('must be a file', () => {
    const root = tempDir();
    const opening = () => open({ SEMAPHORE_AGENT_LOG_FILE_PATH: root });
    expect(opening).toThrow(UserError);
    expect(opening).not.toThrow(LogDirectoryError);
  });

  it('is never a link that somebody has put into the common directory', () => {
    const root = tempDir();
    symlinkSync(join(root, 'victim'), join(root, 'agent_log'));
    expect(() => openAgentLog({ env: { TMPDIR: root } })).toThrow(/cannot be opened: ELOOP/);
    expect(existsSync(join(root, 'victim'))).toBe(false);
    mkdirSync(join(root, 'named'));
    symlinkSync(join(root, 'target'), join(root, 'named/link'));
    openAgentLog({ env: { SEMAPHORE_AGENT_LOG_FILE_PATH: join(root, 'named/link') } }).logger.info('x');
    expect(existsSync(join(root, 'target'))).toBe(true);
  });
});

it('outlives a file that takes no more', () => {
  const { log, out } = open({ SEMAPHORE_AGENT_LOG_FILE_PATH: '/dev/full' });
  log.logger.info('x');
  expect(out()).toMatch(/ : x\n$/);
});
