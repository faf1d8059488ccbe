import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { InternalError } from '../../src/lib/index.ts';
import { newSession, startedSession } from '../support/shell-session.ts';
import { toolPath } from '../support/tools.ts';

describe('the start of a session', () => {
  it('swallows what profiles print, and keeps what they set', async () => {
    const profile =
      'echo "Welcome to $HOSTNAME"; seq 1 20000; export FROM_PROFILE=1; alias hi="echo hi from profile"; PS1="\\w> "';
    const { run } = await startedSession({ profile });
    expect((await run('echo $FROM_PROFILE; hi; echo "[$PS1]"')).chunks).toEqual(['1\nhi from profile\n[]\n']);
  });

  it('outlives a profile that reads, fails, sets traps or options, or has a prompt command', async () => {
    for (const profile of [
      'read answer; read another; read third',
      'cat >/dev/null',
      'sh -c "read x; read y"; false',
      'no-such-command; set -u; unset HOME; trap "echo trap" DEBUG EXIT; shopt -s extdebug',
      'PROMPT_COMMAND="echo prompt;"; stty echo; set -o vi',
      'stty raw; IGNOREEOF=0; set -o ignoreeof; exec 3</dev/null',
      'if broken; then',
    ]) {
      const { run } = await startedSession({ profile });
      expect(await run('echo ok; (exit 3)'), profile).toMatchObject({
        exitCode: 3,
        output: expect.stringContaining('ok\n'),
      });
    }
  });

  it('fails with the reason when a profile ends the shell, and leaves nothing', async () => {
    const { session, home } = newSession({ profile: 'touch seen; (sleep 71 &) ; echo "no such luck"; exit 4' });
    expect(await session.start()).toEqual({
      kind: 'failed',
      reason: 'the shell ended with exit code 4; it said last: no such luck',
    });
    expect(session.exited).toBe(true);
    expect(existsSync(join(home, 'seen'))).toBe(false);
  });

  it.runIf(toolPath('zsh') !== undefined)('fails when a profile has replaced bash', async () => {
    const { session } = newSession({ profile: 'exec zsh -f' });
    const result = await session.start();
    expect(result).toMatchObject({ kind: 'failed', reason: expect.stringContaining('a profile has replaced bash') });
  });

  it('fails when a profile has made it a plain sh', async () => {
    const { session } = newSession({ profile: 'exec sh', startTimeoutMs: 20_000 });
    expect(await session.start()).toMatchObject({ kind: 'failed', reason: expect.stringContaining('another shell') });
  });

  it('fails after a while when there is no prompt', async () => {
    const { session } = newSession({ profile: 'echo waiting for the network; sleep 60', startTimeoutMs: 1000 });
    expect(await session.start()).toEqual({
      kind: 'failed',
      reason: 'no prompt within 1 seconds; it said last: waiting for the network',
    });
  });

  it('fails when there is no bash', async () => {
    const { session } = newSession({ env: { PATH: '/nowhere' } });
    expect(await session.start()).toEqual({ kind: 'failed', reason: 'bash was not found in PATH (/nowhere)' });
  });

  it('fails with a line that the caller knows as the end of all hope', async () => {
    const script = 'echo Pulling; echo "exec: \\"bash\\": executable file not found in \\$PATH"; sleep 60';
    const { session } = newSession({
      command: 'sh',
      args: ['-c', script],
      startFailures: [/executable file not found/],
    });
    expect(await session.start()).toEqual({
      kind: 'failed',
      reason: 'exec: "bash": executable file not found in $PATH',
    });
  });

  it('happens once', async () => {
    const { session } = await startedSession();
    await expect(session.start()).rejects.toThrow(InternalError);
  });
});
