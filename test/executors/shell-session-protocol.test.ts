import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startedSession } from '../support/shell-session.ts';

/** Defects of the original that this session must not have (spec CI 10.1, items 1 to 12), and what else a job may do to it. */

describe('a command ends when it has ended', () => {
  it('with SOH and halves of marks in its output, also at the very end (10.1.1)', async () => {
    const { run } = await startedSession();
    const nasty = `\u0001 949556c7-1-end 0 \u0001${'1'.repeat(20)}E1 0\u0001\u0001 x{ \\builtin printf '\\001`;
    for (let times = 0; times < 20; times += 1) {
      const tail = nasty.slice(0, nasty.length - times);
      expect((await run(`cat <<'EOF'\n${tail}\nEOF\nprintf '\\001'`)).output).toBe(`${tail}\n\u0001`);
    }
  });

  it('whatever it does to the terminal (10.1.2)', async () => {
    const { run } = await startedSession({ env: { TERM: 'xterm' } });
    for (const settings of [
      '-opost',
      'raw',
      'sane',
      '-icanon min 1',
      '-echo',
      'olcuc',
      '-olcuc',
      'ocrnl',
      'sane echo',
    ]) {
      expect((await run(`stty ${settings}; (exit 9)`)).exitCode, settings).toBe(9);
      expect((await run('echo one; echo two')).output.toLowerCase(), settings).toBe('one\ntwo\n');
    }
  });

  it('when a child dies from SIGINT, or the shell itself gets it (10.1.3)', async () => {
    const { run } = await startedSession();
    expect(await run("sh -c 'kill -INT $$'; echo never")).toMatchObject({ exitCode: 130, output: '\n' });
    expect(await run('kill -INT $$; echo never')).toMatchObject({ exitCode: 130, output: '\n' });
    expect(await run("trap 'echo trapped' INT; kill -INT $$; echo on")).toMatchObject({
      exitCode: 0,
      output: 'trapped\non\n',
    });
    expect(await run('echo alive')).toMatchObject({ exitCode: 0, output: 'alive\n' });
  });

  it('at any length of the command, however soon it is typed (10.1.4)', async () => {
    const { run } = await startedSession();
    for (const length of [2500, 3500, 4095, 4096, 4097, 20_000])
      expect((await run(`: ${'x'.repeat(length)}; echo ${length}`)).output).toBe(`${length}\n`);
  });

  it('and not before: marks of its own are output (10.1.5)', async () => {
    const { run } = await startedSession();
    const { output, exitCode } = await run(
      // It knows the session's number from the hook, and prints each kind of mark.
      'n=$(declare -p PROMPT_COMMAND | grep -o "[0-9]\\{20\\}" | head -1); ' +
        'for k in S E "E$n" "S$n" P I R; do printf "\\001%s%s 0\\n" "$n" "$k"; done; sleep 0.4; printf "\\001%sE12345 0\\n" "$n"; echo still here; (exit 4)',
    );
    expect(exitCode).toBe(4);
    expect(output).toContain('still here\n');
    expect((await run('echo next')).output).toBe('next\n');
  });

  it('and not before: a hint of its own, while it is in the foreground or runs in the shell, ends nothing (10.1.5)', async () => {
    const { run } = await startedSession();
    const hint = 'h=$(printf "%s\\n" "${PROMPT_COMMAND[@]}"); ';
    expect(await run(`${hint} bash -c "$h"; sleep 0.3; echo rest; (exit 3)`)).toMatchObject({
      exitCode: 3,
      output: 'rest\n',
    });
    expect(await run(`${hint} eval "$h"; sleep 0.3; echo rest; (exit 3)`)).toMatchObject({
      exitCode: 3,
      output: 'rest\n',
    });
    expect((await run('echo next')).output).toBe('next\n');
  });

  it('and its exit code is told when the shell ends instead (10.1.6)', async () => {
    const { run } = await startedSession();
    expect(await run('exit 0')).toMatchObject({ exitCode: 1, shellExit: { code: 0, signal: null } });
  });

  it.each([
    'PROMPT_COMMAND=',
    'PROMPT_COMMAND="echo p"',
    'unset PROMPT_COMMAND',
    'PROMPT_COMMAND=()',
    'PS1="> "; unset PROMPT_COMMAND',
  ])('when %s has taken the hint away', async (text) => {
    const { run } = await startedSession();
    expect((await run(`${text}; (exit 6)`)).exitCode).toBe(6);
    await run('unset PROMPT_COMMAND; PS1=');
    expect(await run("sh -c 'kill -INT $$'")).toMatchObject({ exitCode: 130 });
    expect((await run('echo next')).output).toContain('next\n');
  });

  it('when a profile has made PROMPT_COMMAND read-only', async () => {
    const { run } = await startedSession({ profile: 'readonly PROMPT_COMMAND=:' });
    expect(await run('echo a; (exit 2)')).toMatchObject({ output: 'a\n', exitCode: 2 });
    expect(await run('sleep 0.4; echo b')).toMatchObject({ output: 'b\n', exitCode: 0 });
  });

  it('when printf, source, builtin words and stty are something else', async () => {
    const { run } = await startedSession();
    await run(
      'printf() { echo mine; }; source() { :; }; stty() { :; }; test() { :; }; jobs() { echo jobs; }; alias builtin=echo command=echo .=echo',
    );
    expect(await run('echo a; (exit 3)')).toMatchObject({ output: 'a\n', exitCode: 3 });
  });

  it('when standard output or error of the shell go elsewhere', async () => {
    const { run, home } = await startedSession();
    expect(await run(`exec >${join(home, 'out')} 2>&1; echo hidden`)).toMatchObject({ output: '', exitCode: 0 });
    expect(await run('(exit 3)')).toMatchObject({ output: '', exitCode: 3 });
    expect(await run('exec >/dev/tty 2>&1; cat out')).toMatchObject({ output: 'hidden\n', exitCode: 0 });
  });

  it('when its input is used up by something in the background, or the typed line is thrown away', async () => {
    const { run } = await startedSession();
    await run('( for i in 1 2 3 4 5 6 7 8; do sleep 0.05; kill -INT $$; done ) 2>/dev/null &');
    for (let turn = 0; turn < 8; turn += 1) {
      const { output, exitCode } = await run(`echo turn ${turn}`);
      expect(exitCode === 0 ? output : 'interrupted').toMatch(/interrupted|turn/);
    }
    await run('sleep 0.5');
    expect((await run('echo quiet')).output).toContain('quiet\n');
  });

  it('when it sets IFS, PS4, LANG, set -e, nounset, noclobber and traps of every kind', async () => {
    const { run } = await startedSession();
    await run("IFS=e0123; PS4='+\\n> '; LANG=de_DE; LC_ALL=C; set -uCo pipefail; set -E -T");
    await run("trap 'echo dbg' DEBUG; trap 'echo err' ERR; trap 'echo ret' RETURN; trap 'echo ext' EXIT");
    expect((await run('(exit 3)')).exitCode).toBe(3);
    expect((await run('echo between')).output).toContain('between\n');
    expect((await run('exit 2')).output).toContain('ext\n');
  });
});

describe('nothing of ours is in the output', () => {
  it('with set -x (10.1.7)', async () => {
    const { run } = await startedSession();
    expect((await run('set -x\necho a')).output).toBe('++ echo a\na\n');
    expect((await run('echo b')).output).toBe('++ echo b\nb\n');
    expect((await run(': "$-"')).output).toMatch(/^\+\+ : \S*x\S*\n$/);
    expect((await run('set +x; exec 9>/dev/null; BASH_XTRACEFD=9; set -x; echo c')).output).toBe('++ set +x\nc\n');
    expect((await run('echo d')).output).toBe('d\n');
  });

  it('with set -v, echo, or both', async () => {
    const { run } = await startedSession({ env: { TERM: 'xterm' } });
    expect((await run('set -v\necho a')).output).toBe('echo a\na\n');
    expect((await run('echo b')).output).toBe('echo b\nb\n');
    await run('stty echo');
    expect((await run('echo c')).output).toBe('echo c\nc\n');
    await run('set +v');
    expect((await run('echo d')).output).toBe('d\n');
    expect((await run('echo e')).output).toBe('e\n');
  });

  it('nor a trap of the job that runs for our sake', async () => {
    const { run } = await startedSession();
    await run("trap 'echo dbg' DEBUG");
    expect((await run('(exit 3)')).output).toBe('dbg\n');
    expect((await run(': ')).output).toBe('dbg\n');
  });
});

describe('jobs in the background (10.1.8)', () => {
  it('are not announced in a later command when they have ended before it', async () => {
    const { run } = await startedSession();
    await run('sleep 0.05 & p=$!');
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect((await run('echo one')).output).toBe('one\n');
    expect((await run('/bin/true; echo two; wait $p; echo $?')).output).toBe('two\n0\n');
  });

  it('lose nothing of what they print between commands', async () => {
    const { run } = await startedSession();
    await run('{ sleep 0.2; seq 1 2000; } &');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const { chunks } = await run('echo mine');
    expect(chunks.at(-1)).toBe('mine\n');
    expect(chunks.slice(0, -1).join('')).toBe(Array.from({ length: 2000 }, (_, index) => `${index + 1}\n`).join(''));
  });

  it('have to wait when nobody runs a command and they print more than is kept', async () => {
    const { run } = await startedSession();
    await run('{ head -c 4000000 /dev/zero | tr "\\0" x; echo; } &');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const { output } = await run('wait; echo mine');
    expect(output.replace(/^\[1\].*$/m, '').split('x').length - 1).toBe(4_000_000);
    expect(output.endsWith('mine\n')).toBe(true);
  });
});

describe('the last words of a shell', () => {
  it('are all there, though jobs in the background keep the terminal open (10.1.12)', async () => {
    for (let turn = 0; turn < 5; turn += 1) {
      const { run } = await startedSession();
      const { output, exitCode } = await run('(trap "" HUP; exec sleep 30) & seq 1 20000; exit 5');
      expect(exitCode).toBe(1);
      expect(output.endsWith('19999\n20000\n')).toBe(true);
    }
  });
});
