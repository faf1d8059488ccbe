import { describe, expect, it } from 'vitest';
import { ShellSession, type SessionProcess } from '../../src/executors/shell-session/index.ts';
import { startedSession } from '../support/shell-session.ts';

/**
 * A shell that is not on this machine (a container, a pod) is seen through a second process in its place, or not at all. Here both are
 * on this machine; test/executors/compose-session.test.ts does the same in a real container.
 */

describe('a session with a looker', () => {
  it('sees a command that reads the terminal, in several ways, and gives it the end of the input', async () => {
    const { run, messages } = await startedSession({ eyes: 'looker' });
    expect(await run('test -t 0 && cat; echo after')).toMatchObject({ output: 'after\n', exitCode: 0 });
    expect(messages).toEqual(['The command waits for input that nobody gives: it gets the end of the input']);
    expect(await run('read answer; echo "$? [$answer]"')).toMatchObject({ output: '1 []\n' });
    expect((await run("sh -c 'read x </dev/tty; echo $?'")).output).toBe('1\n');
    expect((await run('echo next')).output).toBe('next\n');
  });

  it('takes the terminal away from a command that does not care for the end', async () => {
    const { run, messages } = await startedSession({ eyes: 'looker' });
    const { exitCode } = await run('sh -c \'while :; do read x; done\'; echo "it was $?"; (exit 8)');
    expect(exitCode).toBe(8);
    expect(messages.at(-1)).toBe('The command goes on waiting for input: its terminal is taken away');
  });

  it('leaves alone whoever is silent but does not read', async () => {
    const { run, messages } = await startedSession({ eyes: 'looker' });
    expect(await run('sleep 2; echo $?')).toMatchObject({ output: '0\n' });
    expect(messages).toEqual([]);
  });

  it.each(['PROMPT_COMMAND=', 'PS1="> "; unset PROMPT_COMMAND'])(
    'sees the prompt when %s has taken the hint away, also after a child died from SIGINT',
    async (text) => {
      const { run } = await startedSession({ eyes: 'looker' });
      expect((await run(`${text}; sh -c 'kill -INT $$'`)).exitCode).toBe(130);
      expect((await run('unset PROMPT_COMMAND; PS1=; (exit 6)')).exitCode).toBe(6);
      expect((await run('echo next')).output).toContain('next\n');
    },
  );

  it('goes on after the looker was killed', async () => {
    const { run } = await startedSession({ eyes: 'looker' });
    expect((await run('unset PROMPT_COMMAND; (exit 6)')).exitCode).toBe(6);
    await run(`pkill -9 -P ${process.pid} -f -- '--posix --norc'`);
    expect((await run('read x; echo $?')).output).toBe('1\n');
  });
});

describe('a session that nobody can look at', () => {
  it('asks a silent shell all the same, and ends what reads', async () => {
    const { run, messages } = await startedSession({ eyes: 'none', blindMs: 300 });
    expect((await run('unset PROMPT_COMMAND; (exit 6)')).exitCode).toBe(6);
    expect((await run("unset PROMPT_COMMAND; sh -c 'kill -INT $$'")).exitCode).toBe(130);
    expect((await run('read answer; echo "$? [$answer]"')).output).toBe('1 []\n');
    expect((await run('cat; cat; cat; echo after')).output).toBe('after\n');
    expect(await run('bash --norc; (exit 3)')).toMatchObject({ exitCode: 3 });
    expect(messages.every((text) => text.startsWith('The command has been silent for long'))).toBe(true);
    expect((await run('echo next')).output).toContain('next\n');
  });

  it('waits for a command that is only slow, and takes its exit code', async () => {
    const { run } = await startedSession({ eyes: 'none', blindMs: 200 });
    expect(await run('sleep 3; echo done; (exit 4)')).toMatchObject({ output: 'done\n', exitCode: 4 });
    expect(await run('echo next; (exit 5)')).toMatchObject({ output: 'next\n', exitCode: 5 });
  });

  it('does not take the answer of another shell at its terminal for its own', async () => {
    const { run } = await startedSession({ eyes: 'none', blindMs: 1000 });
    const hint = 'export PROMPT_COMMAND="${PROMPT_COMMAND[99]}"';
    expect(await run(`${hint}; bash --norc -i; echo "then $?"; (exit 7)`)).toMatchObject({
      exitCode: 7,
      output: expect.stringContaining('then 0\n'),
    });
  });

  it('gets through a profile that reads', async () => {
    const { run } = await startedSession({ eyes: 'none', blindMs: 300, profile: 'read a; read b; echo "[$b]"' });
    expect((await run('echo ok')).output).toBe('ok\n');
  });
});

describe('the process of a session', () => {
  const log = { info: () => undefined, warn: () => undefined };

  it('may take its time to open; a stop meanwhile does not wait for the shell', async () => {
    const stopped: number[] = [];
    const process: SessionProcess = {
      exit: undefined,
      spareDescriptors: [],
      write: () => undefined,
      pause: () => undefined,
      resume: () => undefined,
      look: () => undefined,
      leadsForeground: undefined,
      hangUp: () => undefined,
      drain: () => Promise.resolve(),
      stop: (graceMs) => Promise.resolve(stopped.push(graceMs)).then(() => []),
    };
    const session = new ShellSession({
      log,
      stopGraceMs: 10,
      open: (_handlers, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(process))),
    });
    const starting = session.start();
    await session.stop();
    expect(await starting).toEqual({ kind: 'failed', reason: 'it was stopped' });
    expect(stopped).toEqual([10]);
  });

  it('may not open at all', async () => {
    const session = new ShellSession({ log, open: () => Promise.reject(new Error('no such pod')) });
    await expect(session.start()).rejects.toThrow('no such pod');
    expect(session.exited).toBe(true);
    await session.stop();
  });

  it('may have ended when it is there', async () => {
    const session = new ShellSession({
      log,
      open: () => ({
        exit: { code: 3, signal: null },
        spareDescriptors: [],
        write: () => undefined,
        pause: () => undefined,
        resume: () => undefined,
        look: () => undefined,
        leadsForeground: undefined,
        hangUp: () => undefined,
        drain: () => Promise.resolve(),
        stop: () => Promise.resolve([]),
      }),
    });
    expect(await session.start()).toEqual({ kind: 'failed', reason: 'the shell ended with exit code 3' });
  });
});
