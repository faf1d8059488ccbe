import { describe, expect, it } from 'vitest';
import { toFailure } from '../../src/cli/index.ts';
import { ConfigError, InternalError, RemoteError, UserError, type RemoteErrorKind } from '../../src/lib/index.ts';

const context = { command: 'semaphore runner start', debug: false };
const remote = (
  kind: RemoteErrorKind,
  more: { retryable?: boolean; status?: number; hint?: string } = {},
  message = 'no',
) => new RemoteError(message, { kind, endpoint: 'GET http://x', retryable: false, ...more });

describe('an error becomes lines and an exit code', () => {
  it.each([
    ['wrong input', new UserError('bad', { hint: 'do this' }), 2, ['Error: bad', 'do this']],
    ['configuration', new ConfigError('f:1:2: bad', { key: 'a' }), 2, ['Error: f:1:2: bad']],
    ['refused connection', remote('network', { retryable: true, hint: 'start it' }), 3, ['Error: no', 'start it']],
    ['refused token', remote('unauthorized', { status: 401 }), 4, ['Error: no']],
    ['unknown runner', remote('not_found', { status: 404 }), 4, ['Error: no']],
    ['wrong URL', remote('not_found', { status: 404, retryable: true }), 3, ['Error: no']],
    [
      'refused registration',
      remote('rejected', { status: 400 }, 'refused (400: Invalid registration token)'),
      4,
      ['Error: refused (400: Invalid registration token)'],
    ],
    ['other refusal', remote('rejected', { status: 400 }), 3, ['Error: no']],
    [
      'full disk',
      Object.assign(new Error('ENOSPC: no space'), { code: 'ENOSPC' }),
      1,
      ['Error: ENOSPC: no space', 'The disk is full.'],
    ],
    [
      'mistake of ours',
      new InternalError('impossible'),
      1,
      ['Error: unexpected: impossible', expect.stringContaining('Please report it')],
    ],
    ['something thrown', 'text', 1, ['Error: unexpected: text', expect.stringContaining('Please report it')]],
    [
      'parser',
      Object.assign(new Error('Nonexistent flag: --x\nSee more help with --help'), { oclif: { exit: 2 } }),
      2,
      ['Error: nonexistent flag: --x', 'See: semaphore runner start --help'],
    ],
  ])('%s', (_, error, exitCode, lines) => {
    expect(toFailure(error, context)).toEqual({ exitCode, lines });
  });

  it('with stacks and causes at DEBUG', () => {
    const error = new UserError('outer', { cause: new Error('inner') });
    const { lines } = toFailure(error, { ...context, debug: true });
    expect(lines.join('\n')).toMatch(/^Error: outer\nUserError: outer\n\s+at [\s\S]*\ncaused by Error: inner\n\s+at /);
  });
});
