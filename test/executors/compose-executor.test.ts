import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownerOf } from '../../src/executors/compose-executor/project-name.ts';
import { base64, variable } from '../agent/job-setup.ts';
import { debianImage, busyboxImage, docker, ensureImages, needsDocker, uniqueName } from '../support/docker/index.ts';
import { composeExecutor, thingsOf, useTemporary, type ComposeTest } from './compose-support.ts';

/** One job of docker compose, from its start to its end, on the real engine: what spec CI 6.2 and 4.2 say, row by row. */

describe.runIf(needsDocker())('a job in containers of docker compose', () => {
  const name = uniqueName('main');
  const temporary = mkdtempSync(join(tmpdir(), 'semaphore-test-'));
  const cleaners: (() => unknown)[] = [];
  let test: ComposeTest;
  let project: string;

  beforeAll(async () => {
    await ensureImages(debianImage, busyboxImage);
    useTemporary(temporary, (clean) => cleaners.push(clean));
    test = composeExecutor(
      {
        jobId: 'job-1',
        compose: {
          containers: [
            { name, image: debianImage, env_vars: [variable('NODE_ENV', 'te st$HOME\n# : x'), variable('EMPTY', '')] },
            {
              name: 'db',
              image: busyboxImage,
              entrypoint: 'sh -c',
              command: `'mkdir /www && echo "I am $$NAME" >/www/index.html && exec httpd -f -p 8080 -h /www'`.replace(
                '$$',
                '$',
              ),
              env_vars: [variable('NAME', 'db')],
            },
          ],
        },
      },
      (clean) => cleaners.unshift(clean),
      join(temporary, 'home'),
    );
    expect(await test.executor.prepare(), test.agentLog.join('\n')).toBe(0);
    expect(await test.executor.start(), [...test.agentLog, ...test.story].join('\n')).toBe(0);
    project = readdirSync(temporary).find((entry) => entry.startsWith('semaphore-ci-')) ?? '';
  }, 600_000);

  afterAll(async () => {
    for (const clean of cleaners) await clean();
    rmSync(temporary, { recursive: true, force: true });
  }, 120_000);

  const run = async (directive: string): Promise<{ output: string; exitCode: number }> => {
    const from = test.story.length;
    const exitCode = await test.executor.run({ directive });
    const told = test.story.slice(from);
    expect(told[0]).toBe(`$ ${directive}`);
    expect(told.at(-1)).toBe(`= ${exitCode}`);
    return { output: told.slice(1, -1).join(''), exitCode };
  };

  it('tells its start with the events of the original', () => {
    const { story } = test;
    const [pull, pulled] = [story.indexOf('$ Pulling docker images...'), story.indexOf('= 0')];
    expect(pull).toBe(0);
    expect(story.slice(1, pulled).every((text) => /^[^\r\n]*\n$/.test(text) && !text.includes('\u001B'))).toBe(true);
    expect(story.slice(1, pulled).join('')).toContain(`${project}_db_1 ... done\n`);
    expect(story.slice(pulled + 1, pulled + 4)).toEqual([
      '$ Starting the docker image...',
      'Starting a new bash session.\n',
      '= 0',
    ]);
  });

  it('is called as the job says, belongs to a project that tells whose it is, and can be found by the id of the job', async () => {
    expect(ownerOf(project)).toBe('lives');
    expect((await thingsOf(project)).toSorted()).toEqual([`${project}_db_1`, `${project}_default`, name].toSorted());
    const names = await docker(['ps', '--filter', 'label=semaphore.job=job-1', '--format', '{{.Names}}']);
    expect(names.split('\n').toSorted()).toEqual([`${project}_db_1`, name].toSorted());
  });

  it('has its linked service under the name of that', async () => {
    const { output, exitCode } = await run(
      'for i in {1..100}; do exec 3<>/dev/tcp/db/8080 && break; sleep 0.1; done 2>/dev/null; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; tail -n 1 <&3; exec 3<&-',
    );
    expect({ output, exitCode }).toEqual({ output: 'I am db\n', exitCode: 0 });
  });

  it('has the variables of its container, letter by letter', async () => {
    expect((await run('printf "[%s]" "$NODE_ENV" "${EMPTY-unset}"')).output).toBe('[te st$HOME\n# : x][]');
  });

  it('has the socket of the engine, and the directory of its commands, which it cannot write to', async () => {
    expect((await run('test -S /var/run/docker.sock && echo socket')).output).toBe('socket\n');
    const { output } = await run('echo "$BASH_SOURCE"; touch "$(dirname "$BASH_SOURCE")/x" 2>&1');
    expect(output.split('\n')[0]).toBe(join(temporary, project, 'shared', 'current-agent-cmd'));
    expect(output).toContain('Read-only file system');
    expect(statSync(join(temporary, project)).mode & 0o777).toBe(0o700);
  });

  it('gets the variables of the job and of the host, twice, and a debug session gets them, too', async () => {
    const from = test.story.length;
    expect(
      await test.executor.exportVariables(
        [variable('B', "it's $HOME"), variable('A', 'a\nb'), variable('H', 'job')],
        [{ name: 'H', value: 'host' }],
      ),
    ).toBe(0);
    expect(test.story.slice(from)).toEqual([
      '$ Exporting environment variables',
      'Exporting A\n',
      'Exporting B\n',
      'Exporting H\n',
      '= 0',
    ]);
    expect(await test.executor.exportVariables([variable('SEMAPHORE_JOB_RESULT', 'passed')], [])).toBe(0);
    const show = 'printf "[%s]" "$A" "$B" "$H" "$SEMAPHORE_JOB_RESULT"';
    expect((await run(show)).output).toBe("[a\nb][it's $HOME][host][passed]");
    expect(await docker(['exec', name, 'bash', '--login', '-c', show])).toBe("[a\nb][it's $HOME][host][passed]");
    expect(await test.executor.evaluate('echo -n "$SEMAPHORE_JOB_RESULT"')).toEqual({ output: 'passed', exitCode: 0 });
    expect(await test.executor.exportVariables([{ name: 'X', value: '!' }], [])).toBe(1);
  });

  it('gets its files, wherever they are to be, with their modes', async () => {
    const from = test.story.length;
    const files = [
      { path: '~/.npmrc', content: base64('audit=false\n'), mode: '0600' },
      { path: '/opt/c i/"run".sh', content: base64('#!/bin/sh\necho run\n'), mode: '0755' },
      { path: 'relative/note.txt', content: base64('hi\n'), mode: '+x' },
      { path: '/opt/c i/empty', content: '', mode: '644' },
    ];
    expect(await test.executor.injectFiles(files)).toBe(0);
    expect(test.story.slice(from)).toEqual([
      '$ Injecting Files',
      'Injecting ~/.npmrc with file mode 0600\n',
      'Injecting /opt/c i/"run".sh with file mode 0755\n',
      'Injecting relative/note.txt with file mode +x\n',
      'Injecting /opt/c i/empty with file mode 644\n',
      '= 0',
    ]);
    const { output } = await run(
      `cd ~; cat .npmrc; '/opt/c i/"run".sh'; cat relative/note.txt; stat -c %a .npmrc '/opt/c i/"run".sh' relative/note.txt '/opt/c i/empty'; ls -1 "$(dirname "$BASH_SOURCE")"`,
    );
    expect(output).toMatch(/^audit=false\nrun\nhi\n600\n755\n711\n644\n(current-agent-cmd\n|env-\d\n)+$/);
  });

  it.each([
    [{ path: '', mode: '0600' }, 'Injecting  with file mode 0600\n', /^Failed to move to destination path \S+ \n$/],
    [
      { path: '/proc/x/y', mode: '1' },
      'Injecting /proc/x/y with file mode 1\n',
      /^Failed to create destination path \/proc\/x\/y\n$/,
    ],
    [
      { path: '/etc', mode: '1' },
      'Injecting /etc with file mode 1\n',
      /^Failed to move to destination path \S+ \/etc\n$/,
    ],
    [{ path: '/f', mode: 'bad' }, 'Injecting /f with file mode bad\n', /^Failed to set file mode to bad\n$/],
  ])('fails with a file that cannot be there: %j', async (file, said, failure) => {
    const from = test.story.length;
    expect(await test.executor.injectFiles([{ ...file, content: base64('x') }])).toBe(1);
    const [, output, reason = '', end] = test.story.slice(from);
    expect(output).toBe(said);
    expect(reason).toMatch(failure);
    expect(end).toBe('= 1');
  });

  it('fails with a file that is not base64', async () => {
    const from = test.story.length;
    expect(await test.executor.injectFiles([{ path: '/f', content: '!', mode: '0644' }])).toBe(1);
    expect(test.story.slice(from).slice(2)).toEqual(['Failed to decode the content of the file.\n', '= 1']);
  });

  it('leads a debug session into its container', () => {
    const script = join(test.home, 'jump-point');
    expect(readFileSync(script, 'utf8')).toContain(`docker exec -ti ${name} bash --login`);
    const { stdout } = spawnSync('bash', [script, 'hostname'], { encoding: 'utf8' });
    expect(stdout).toMatch(/^Waiting for the container to start up\n[0-9a-f]{12}\n$/);
  });

  describe('has the session of spec CI 5.6 to 5.10', () => {
    it('an interactive bash in the home directory, on a terminal without size, that keeps everything', async () => {
      expect((await run('cd; echo $-; pwd; stty size; tty; echo "[$PS1]"')).output).toBe(
        'himBHs\n/root\n0 0\n/dev/pts/0\n[]\n',
      );
      await run('cd /usr; export E=1; f() { echo "f $1"; }; alias ll="echo alias"; shopt -s nullglob');
      expect((await run('pwd; echo $E; f x; ll; shopt -q nullglob && echo on')).output).toBe(
        '/usr\n1\nf x\nalias\non\n',
      );
    });

    it('exit codes and $?', async () => {
      expect(await run('(exit 42)')).toEqual({ output: '', exitCode: 42 });
      expect(await run('echo $? $LINENO; return 130; echo never')).toEqual({ output: '0 1\n', exitCode: 130 });
      expect(await run('echhhho 1')).toEqual({ output: 'bash: echhhho: command not found\n', exitCode: 127 });
      expect((await run('echo a\nif fi\n')).exitCode).toBe(2);
    });

    it('commands and output of any length, whole characters, line ends as LF', async () => {
      expect((await run(`x=${'y'.repeat(200_000)}; echo \${#x}`)).output).toBe('200000\n');
      expect((await run("for i in {1..20000}; do printf 'ä€😀'; done; echo")).output).toBe(
        `${'ä€😀'.repeat(20_000)}\n`,
      );
      expect((await run(String.raw`printf '10%%\r20%%\r\n'; printf '\xFF\xE2\x82'`)).output).toBe(
        '10%\r20%\r\n\uFFFD\uFFFD\uFFFD',
      );
    });

    it('the end of a command whatever it prints, or does to the terminal and the hint (10.1.1 to 10.1.5)', async () => {
      expect((await run(String.raw`printf '\001 x-end 0\n\001'`)).output).toBe('\u0001 x-end 0\n\u0001');
      for (const settings of ['-opost', 'raw', '-icanon min 1', 'sane echo', '-echo']) {
        expect((await run(`stty ${settings}; (exit 9)`)).exitCode, settings).toBe(9);
        expect((await run('echo one; echo two')).output, settings).toBe('one\ntwo\n');
      }
      expect(await run("sh -c 'kill -INT $$'; echo never")).toEqual({ exitCode: 130, output: '\n' });
      expect((await run("unset PROMPT_COMMAND; sh -c 'kill -INT $$'")).exitCode).toBe(130);
      expect((await run('PROMPT_COMMAND="echo p"; (exit 6)')).exitCode).toBe(6);
      await run('unset PROMPT_COMMAND');
      expect(
        (await run('h=$(printf "%s\\n" "${PROMPT_COMMAND[@]}"); bash -c "$h"; sleep 0.3; echo rest; (exit 3)'))
          .exitCode,
      ).toBe(3);
      expect((await run('echo quiet')).output).toBe('quiet\n');
    });

    it('the end of the input for a command that reads the terminal (10.1.9)', async () => {
      expect((await run('read answer; echo "$? [$answer]"; cat; echo after')).output).toBe('1 []\nafter\n');
      expect(test.agentLog.at(-1)).toContain('The command waits for input that nobody gives');
    });

    it('nothing of ours with set -x (10.1.7), and what jobs in the background print (10.1.8)', async () => {
      expect((await run('set -x\necho a')).output).toBe('++ echo a\na\n');
      expect((await run('set +x')).output).toBe('++ set +x\n');
      await run('{ sleep 0.3; echo late; } &');
      await run('sleep 1');
      expect((await run('echo now')).output).toContain('now\n');
    });
  });

  it('has nothing secret in an argument of a process of this host', () => {
    const { stdout } = spawnSync('ps', ['axww', '-o', 'args='], { encoding: 'utf8' });
    expect(stdout).toContain(`--name ${name}`);
    expect(stdout).not.toContain('te st$HOME');
    expect(stdout).not.toContain("it's $HOME");
  });

  it('ends with 1 when its shell ends, whatever the shell says, and for all that follows', async () => {
    expect(await run('echo bye; exit 0')).toEqual({ output: 'bye\n', exitCode: 1 });
    expect(await run('echo more')).toEqual({ output: '', exitCode: 1 });
  });

  it('leaves nothing behind: no container, network, volume, file', async () => {
    await test.executor.stop();
    expect(await thingsOf(project)).toEqual([]);
    expect(readdirSync(temporary)).toEqual(['home']);
    expect(test.agentLog.filter((line) => !/waits for input|is not base64/.test(line))).toEqual([]);
  });
});
