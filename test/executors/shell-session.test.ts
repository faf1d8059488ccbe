import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CommandTransport } from '../../src/executors/shell-session/index.ts';
import { newSession, startedSession } from '../support/shell-session.ts';

describe('the shell of a job', () => {
  it('is an interactive login bash in its home, on a terminal without size and without prompt', async () => {
    const { run, home } = await startedSession({ env: { TERM: 'xterm' } });
    const { output } = await run(
      'echo $-; shopt -q login_shell && echo login; pwd; stty size; echo "$COLUMNS"; echo "[$PS1]"; declare -p PS1; echo "$TERM"; for f in 0 1 2; do test -t $f && echo "$f"; done',
    );
    expect(output.split('\n')).toEqual([
      'himBHs',
      'login',
      home,
      '0 0',
      '80',
      '[]',
      'declare -x PS1=""',
      'xterm',
      '0',
      '1',
      '2',
      '',
    ]);
    expect((await run('stty -a | grep -o -e "-echo "')).output).toBe('-echo \n');
  });

  it('has the given environment and no descriptors but its terminal', async () => {
    const { run } = await startedSession({ env: { GIVEN: 'a b' } });
    expect(
      (await run('echo "$GIVEN"; ls -l /proc/$$/fd')).output
        .match(/ \d+ -> \/dev\/\S+/g)
        ?.map((link) => link.trim().split(' ')[0]),
    ).toEqual(['0', '1', '2', '255']);
    expect((await run('env | grep -c -i token')).output).toBe('0\n');
    expect((await run('echo "[$TERM]"; env | grep ^TERM=')).output).toBe('[dumb]\n');
  });

  it('keeps directory, variables, functions, aliases, options and traps from one command to the next', async () => {
    const { run } = await startedSession();
    await run(
      'cd /usr; export A=1; B=2; f() { echo "f $1"; }; alias ll="echo alias"; shopt -s nullglob; set -o pipefail',
    );
    expect(
      (await run('pwd; echo $A$B; f x; ll; shopt -q nullglob && echo on; [[ -o pipefail ]] && echo pipe')).output,
    ).toBe('/usr\n12\nf x\nalias\non\npipe\n');
  });

  it('sources commands: return, line numbers and $? are as in a script of their own', async () => {
    const { run } = await startedSession();
    expect((await run('false')).exitCode).toBe(1);
    expect(await run('echo $? $LINENO; return 130; echo never')).toMatchObject({ output: '0 1\n', exitCode: 130 });
    expect(await run('echo one\n(exit 42)')).toMatchObject({ output: 'one\n', exitCode: 42 });
    expect(await run('echhhho 1')).toMatchObject({ output: 'bash: echhhho: command not found\n', exitCode: 127 });
    const wrong = await run('echo a\nif fi\n');
    expect(wrong.exitCode).toBe(2);
    expect(wrong.output).toMatch(/^a\nbash: \S+: line 2: syntax error near unexpected token `fi'\n/);
    expect((await run('')).exitCode).toBe(0);
    expect((await run('exit_code() { return 3; }; exit_code')).exitCode).toBe(3);
  });

  it('takes any text: here documents, no line end, umlauts, 20 KB and 2 MB', async () => {
    const { run } = await startedSession();
    expect((await run('cat <<EOF\n a "b" $((1+1))\nEOF')).output).toBe(' a "b" 2\n');
    expect((await run("printf '%s' 'ä€😀 \u0001 !!'")).output).toBe('ä€😀 \u0001 !!');
    expect((await run(`x=${'y'.repeat(20_000)}; echo \${#x}`)).output).toBe('20000\n');
    expect((await run(`echo start\n${': a line that does nothing at all\n'.repeat(60_000)}echo end`)).output).toBe(
      'start\nend\n',
    );
  });

  it('tells when a command began and ended, in whole seconds', async () => {
    const { run } = await startedSession();
    const before = Math.floor(Date.now() / 1000);
    const { startedAt, finishedAt } = await run('sleep 1.1');
    expect(startedAt).toBeGreaterThanOrEqual(before);
    expect(finishedAt).toBeGreaterThan(startedAt);
    expect(Number.isInteger(startedAt) && Number.isInteger(finishedAt)).toBe(true);
  });

  it('evaluates without anybody seeing it, and without what came before', async () => {
    const { session, run } = await startedSession();
    await run('export SEMAPHORE_JOB_RESULT=passed; { sleep 0.2; echo late; } &');
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(await session.evaluate('echo -n "$SEMAPHORE_JOB_RESULT"')).toMatchObject({ output: 'passed', exitCode: 0 });
    expect((await run('echo now')).chunks).toEqual(['late\n', 'now\n']);
  });

  it('reports 1 for a shell that has ended, however it did, and for all that follows', async () => {
    for (const [text, shellExit] of [
      ['echo bye; exit 0', { code: 0, signal: null }],
      ['echo bye; exit 7', { code: 7, signal: null }],
      ['echo bye; exec true', { code: 0, signal: null }],
      ['set -e; echo bye; false', { code: 1, signal: null }],
      ['echo bye; kill -9 $$', { code: null, signal: 'SIGKILL' }],
    ] as const) {
      const { run, session } = await startedSession();
      expect(await run(text), text).toMatchObject({ output: 'bye\n', exitCode: 1, shellExit });
      expect(session.exited).toBe(true);
      expect(await run('echo more')).toMatchObject({ output: '', exitCode: 1, shellExit });
    }
  });

  it('lives on after an error of set -u and after set +e', async () => {
    const { run } = await startedSession();
    expect(await run('set -u; echo $nothing; echo never')).toMatchObject({ exitCode: 1 });
    expect(await run('set +u; echo on')).toMatchObject({ output: 'on\n', exitCode: 0 });
  });

  it('writes no history and runs one command at a time', async () => {
    const { run, session } = await startedSession();
    const first = run('sleep 0.3; echo "[$HISTFILE]"');
    await expect(run('echo second')).rejects.toThrow('one command at a time');
    expect((await first).output).toBe('[]\n');
    expect((await session.evaluate('echo on')).output).toBe('on\n');
  });

  it('is not there before the start', async () => {
    const { run, session } = newSession();
    expect(session.exited).toBe(true);
    expect((await run('echo x')).exitCode).toBe(1);
  });
});

describe('the way of a command to the shell', () => {
  it('is a file that only we may read, in a directory that is ours, made again when a job removes it', async () => {
    const { run } = await startedSession();
    const path = (await run('echo "$BASH_SOURCE"')).output.trim();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
    expect((await run(`rm -rf '${dirname(path)}'; echo gone`)).output).toBe('gone\n');
    expect((await run('echo again')).output).toBe('again\n');
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
  });

  it('may be another: typed line by line', async () => {
    const typed: CommandTransport = {
      place: async (text, type) => {
        await type(`__text=''`);
        const encoded = Buffer.from(text).toString('base64');
        for (let at = 0; at < encoded.length; at += 900) await type(`__text+='${encoded.slice(at, at + 900)}'`);
        return '<(base64 -d <<<"$__text")';
      },
      remove: () => Promise.resolve(),
    };
    const { run } = await startedSession({ transport: typed });
    expect(await run(`x=${'y'.repeat(5000)}; echo \${#x}; (exit 5)`)).toMatchObject({ output: '5000\n', exitCode: 5 });
    expect((await run('echo ${#x}')).output).toBe('5000\n');
  });

  it('may fail: then the command has not begun', async () => {
    const broken: CommandTransport = {
      place: () => Promise.reject(new Error('no space')),
      remove: () => Promise.resolve(),
    };
    const { run, messages } = await startedSession({ transport: broken });
    expect(await run('echo x')).toMatchObject({ exitCode: 1, startedAt: 0, finishedAt: 0, output: '' });
    expect(messages).toEqual(['A command could not be brought to the shell']);
  });

  it('never crosses that of another session', async () => {
    const sessions = await Promise.all(Array.from({ length: 4 }, () => startedSession()));
    await Promise.all(
      sessions.map(async ({ run }, index) => {
        for (let turn = 0; turn < 10; turn += 1)
          expect((await run(`echo ${index}.${turn}`)).output).toBe(`${index}.${turn}\n`);
      }),
    );
  });
});
