import { describe, expect, it } from 'vitest';
import { needs } from '../support/tools.ts';
import { startedSession } from '../support/shell-session.ts';

/** Standard input stays the terminal, at which nobody sits (spec CI 10.1.9): who reads it gets the end of file after a while. */

describe('a command that reads the terminal', () => {
  it('gets the end of the input, and the job log of the agent tells', async () => {
    const { run, messages } = await startedSession();
    expect(await run('test -t 0 && cat; echo after')).toMatchObject({ output: 'after\n', exitCode: 0 });
    expect(messages).toEqual(['The command waits for input that nobody gives: it gets the end of the input']);
    expect(await run('read answer; echo "$? [$answer]"')).toMatchObject({ output: '1 []\n' });
    expect((await run('echo next')).output).toBe('next\n');
  });

  it('may do so in any way: select, a key, without echo, in a substitution, through /dev/tty, several times', async () => {
    const { run } = await startedSession();
    expect((await run('select x in a b; do echo "$x"; done; echo over')).output).toContain('over\n');
    expect((await run('read -s -p "Password: " x; echo "[$x]"')).output).toBe('Password: []\n');
    expect((await run('read -n 1 key; echo over')).output).toContain('over\n');
    expect((await run('x=$(cat); echo "[$x]"')).output).toBe('[]\n');
    expect((await run("sh -c 'read x </dev/tty; echo $?'; cat | wc -c")).output).toBe('1\n0\n');
    expect((await run('echo next')).output).toBe('next\n');
  });

  it('keeps its own time limit', async () => {
    const { run, messages } = await startedSession();
    expect((await run('read -t 0.3 x; echo $?')).output).toBe('142\n');
    expect(messages).toEqual([]);
  });

  it('may be another shell, or a program with a line editor', async () => {
    const { run } = await startedSession({ env: { TERM: 'xterm' } });
    expect(await run('bash --norc; echo over')).toMatchObject({ exitCode: 0 });
    expect((await run('echo next')).output).toBe('next\n');
  });

  it.runIf(needs('python3'))('may be input() of Python', async () => {
    const { run } = await startedSession();
    const { output, exitCode } = await run('python3 -c "input(\'name? \')"');
    expect(output).toContain('EOFError');
    expect(exitCode).toBe(1);
  });

  it('loses its terminal when it does not care for the end', async () => {
    const { run, messages } = await startedSession();
    const { exitCode } = await run('sh -c \'while :; do read x; done\'; echo "it was $?"; (exit 8)');
    expect(exitCode).toBe(8);
    expect(messages.at(-1)).toBe('The command goes on waiting for input: its terminal is taken away');
  });
});

describe('a command that does not read the terminal', () => {
  it('is left alone, however silent it is', async () => {
    const { run, messages } = await startedSession();
    expect(await run('sleep 3.5; echo $?')).toMatchObject({ output: '0\n' });
    expect(messages).toEqual([]);
  });

  it('is left alone while somebody beside it reads, but works', async () => {
    const { run, messages } = await startedSession();
    const busy = 'end=$((SECONDS + 4)); while [ $SECONDS -lt $end ]; do :; done';
    expect(await run(`cat | bash -c '${busy}; echo worked'`)).toMatchObject({ output: 'worked\n', exitCode: 0 });
    expect(messages.length).toBeLessThanOrEqual(1);
  });
});
