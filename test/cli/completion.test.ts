import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { completionScript, type CompletionShell } from '../../src/cli/index.ts';
import { commands } from '../../src/commands/index.ts';
import { runProgram } from '../support/built-program.ts';
import { runInProcess } from '../support/run-cli.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs, toolPath } from '../support/tools.ts';

function scriptFile(shell: CompletionShell): string {
  const file = join(tempDir(), `completion.${shell}`);
  writeFileSync(file, completionScript(shell, commands));
  return file;
}

/** Rarely installed; whoever has it checks more. */
function rare(shell: string): boolean {
  const found = toolPath(shell) !== undefined;
  if (!found) process.stderr.write(`\n!!! ${shell} is not installed: its completion script is not run.\n\n`);
  return found;
}

describe.runIf(needs('bash'))('bash', () => {
  /** What Tab offers after these words; the last one is being typed. */
  async function offered(...words: string[]): Promise<string[]> {
    return await offeredBy('semaphore', '_semaphore', words);
  }

  async function offeredBy(program: string, name: string, words: readonly string[]): Promise<string[]> {
    const file = scriptFile('bash');
    const quoted = words.map((word) => `'${word}'`).join(' ');
    const command = `source '${file}'; COMP_WORDS=(${program} ${quoted}); COMP_CWORD=${String(words.length)}; ${name}; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { code, out, err } = await runProgram('bash', ['--norc', '-c', command], {
      cwd: tempDirWith('a file.json', 'b.json'),
    });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    return out
      .trim()
      .split('\n')
      .filter((line) => line !== '');
  }

  it('accepts the script', async () => {
    expect(await runProgram('bash', ['-n', scriptFile('bash')])).toMatchObject({ code: 0, err: '' });
  });

  it.each([
    [[''], ['completion', 'config', 'runner']],
    [['ru'], ['runner']],
    [
      ['runner', ''],
      ['register', 'setup', 'start', 'unregister'],
    ],
    [
      ['runner', 's'],
      ['setup', 'start'],
    ],
    [
      ['runner', 'start', '--log'],
      ['--log-level', '--log-format'],
    ],
    [['runner', 'start', '--log-level', 'D'], ['DEBUG']],
    [['runner', 'start', '--log-level', '=', 'W'], ['WARN']],
    [
      ['runner', 'start', '--log-format', '='],
      ['auto', 'text', 'json'],
    ],
    [
      ['runner', 'start', '--config', ''],
      ['a file.json', 'b.json'],
    ],
    [['runner', 'start', '--config', 'x', '--no'], ['--no-config']],
    [['runner', 'register', '--name', ''], []],
    [
      ['agent', ''],
      ['playground', 'run', 'serve', 'start', 'version'],
    ],
    [
      ['agent', 'run', ''],
      ['a file.json', 'b.json'],
    ],
    [['agent', 'run', '--ev'], ['--events']],
    [
      ['agent', 'start', '--config-file', ''],
      ['a file.json', 'b.json'],
    ],
    [
      ['agent', 'start', '--upload-job-logs', ''],
      ['never', 'always', 'when-trimmed'],
    ],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
  ])('offers after %j: %j', async (words, expected) => {
    const found = await offered(...words);
    if (words.length === 1 && words[0] === '') expect(found).toEqual(expect.arrayContaining(expected));
    else expect(found.toSorted()).toEqual(expected.toSorted());
  });

  it('completes the executable agent as well', async () => {
    expect(await offeredBy('agent', '_semaphore_agent', ['st'])).toEqual(['start']);
    expect(await offeredBy('agent', '_semaphore_agent', ['start', '--endp'])).toEqual(['--endpoint']);
  });
});

function tempDirWith(...names: string[]): string {
  const directory = tempDir();
  for (const name of names) writeFileSync(join(directory, name), '');
  return directory;
}

describe('zsh', () => {
  it.runIf(rare('zsh'))('accepts the script', async () => {
    expect(await runProgram('zsh', ['-n', scriptFile('zsh')])).toMatchObject({ code: 0, err: '' });
  });
});

describe('fish', () => {
  it.runIf(rare('fish'))('accepts the script and completes', async () => {
    const file = scriptFile('fish');
    const complete = async (line: string) =>
      (
        await runProgram('fish', ['--no-config', '-c', `source ${file}; complete -C '${line}'`], {
          env: { HOME: tempDir() },
        })
      ).out
        .split('\n')
        .map((row) => row.split('\t')[0]);
    expect(await complete('semaphore runner ')).toEqual(expect.arrayContaining(['start', 'register']));
    expect(await complete('semaphore runner start --log-level ')).toEqual(expect.arrayContaining(['DEBUG']));
  });
});

describe('every shell', () => {
  it.each(['bash', 'zsh', 'fish'] as const)('gets its script from the command: %s', async (shell) => {
    const { code, out } = await runInProcess(['completion', shell]);
    expect({ code, out }).toEqual({ code: 0, out: completionScript(shell, commands) });
    for (const flag of Object.keys(commands['runner:register']?.flags ?? {})) expect(out).toContain(flag);
  });
});
