import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { HostExecutor, quoteWord, type HostExecutorOptions } from '../../src/executors/index.ts';
import { systemClock } from '../../src/lib/index.ts';
import { base64, keepingLogger, variable } from '../agent/job-setup.ts';
import { tempDir } from '../support/temp-dir.ts';

let home: string;
let temporary: string;
let story: string[];
let agentLog: string[];

beforeEach(() => {
  home = tempDir();
  temporary = tempDir();
  story = [];
  agentLog = [];
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = temporary;
  onTestFinished(() => {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  });
});

function executor(options: Partial<HostExecutorOptions> = {}): HostExecutor {
  const made = new HostExecutor({
    events: {
      commandStarted: (directive) => story.push(`$ ${directive}`),
      output: (text) => story.push(text),
      commandFinished: ({ exitCode, startedAt, finishedAt }) =>
        story.push(startedAt <= finishedAt ? `= ${exitCode}` : 'finished before it started'),
    },
    logger: keepingLogger(agentLog),
    clock: systemClock,
    env: { PATH: process.env['PATH'] ?? '', HOME: home },
    cwd: '/',
    ...options,
  });
  onTestFinished(() => made.stop());
  return made;
}

async function started(options: Partial<HostExecutorOptions> = {}): Promise<HostExecutor> {
  const made = executor(options);
  expect(await made.prepare()).toBe(0);
  expect(await made.start()).toBe(0);
  return made;
}

describe('exported variables', () => {
  it('are sorted by bytes, the last of a name counts, those of the host most', async () => {
    const host = await started();
    const exitCode = await host.exportVariables(
      [variable('b', '1'), variable('Z', '2'), variable('Z', '3'), variable('A_1', '5'), variable('A', '6')],
      [{ name: 'b', value: 'of the host' }],
    );
    expect(exitCode).toBe(0);
    expect(story).toEqual([
      '$ Exporting environment variables',
      ...['A', 'A_1', 'Z', 'b'].map((name) => `Exporting ${name}\n`),
      '= 0',
    ]);
    const { output } = await host.evaluate('echo "$A $A_1 $Z $b"');
    expect(output).toBe('6 5 3 of the host\n');
  });

  it.each([
    '',
    '$PATH:/etc/a',
    `it's "quoted" \\ \`x\` !! $(x)`,
    'two\nlines\n',
    'ünïcödé 🐎',
    '\u0001\t*?[a]{1,2}~#;&|<>',
    '-n',
  ])('arrive as they are: %j', async (value) => {
    const host = await started();
    await host.exportVariables([variable('VALUE', value)], []);
    const { output } = await host.evaluate('printf %s "$VALUE" | base64 -w0');
    expect(Buffer.from(output, 'base64').toString()).toBe(value);
    expect((await host.evaluate('env | grep -c ^VALUE=')).output).toBe('1\n');
  });

  it('may be bytes that are no text', async () => {
    const host = await started();
    const bytes = Buffer.from([0xff, 0xfe, 0x27, 0x0a, 0xc3]);
    await host.exportVariables([{ name: 'VALUE', value: bytes.toString('base64') }], []);
    const { output } = await host.evaluate('printf %s "$VALUE" | base64 -w0');
    expect(Buffer.from(output, 'base64')).toEqual(bytes);
  });

  it.each(['***', 'YQ', 'YQ=', 'Y===', 'YQ==YQ==', 'Y-Q_', '='])(
    'fail all when the value %j is not base64; the reason is in the log of the agent only',
    async (value) => {
      const host = await started();
      expect(await host.exportVariables([variable('A', '1'), { name: 'B', value }], [])).toBe(1);
      expect(story).toEqual(['$ Exporting environment variables', '= 1']);
      expect(agentLog).toEqual(['The value of a variable of the job is not base64 {"variable":"B"}']);
      expect((await host.evaluate('echo "$A"')).output).toBe('\n');
    },
  );

  it('fail when the shell does not take them, without a word of them', async () => {
    const host = await started();
    expect(await host.exportVariables([variable('1X', 'secret')], [])).not.toBe(0);
    expect(story.slice(0, 2)).toEqual(['$ Exporting environment variables', 'Exporting 1X\n']);
    expect([...story, ...agentLog].join('\n')).not.toContain('secret');
  });

  it('leave no file, and are never readable for others', async () => {
    const host = await started({ remoteAccess: { sshPublicKeys: [], jumpPoint: join(home, 'jump') } });
    await host.exportVariables([variable('A', 'secret')], []);
    const directory = readdirSync(temporary).find((name) => name.startsWith('semaphore-job-')) ?? '';
    expect(statSync(join(temporary, directory)).mode & 0o777).toBe(0o700);
    const [file = ''] = readdirSync(join(temporary, directory));
    expect(statSync(join(temporary, directory, file)).mode & 0o777).toBe(0o600);
    await host.stop();
    expect(readdirSync(temporary)).toEqual([]);
  });

  it('are in no file any more when nobody needs it', async () => {
    const host = await started();
    await host.exportVariables([variable('A', 'secret')], []);
    const directory = readdirSync(temporary).find((name) => name.startsWith('semaphore-job-')) ?? '';
    expect(readdirSync(join(temporary, directory))).toEqual([]);
  });

  it('arrive also when the job has cleared the temporary directory', async () => {
    const host = await started();
    await host.exportVariables([variable('A', '1')], []);
    await host.run({ directive: `rm -rf ${temporary}/*` });
    expect(await host.exportVariables([variable('A', '2')], [])).toBe(0);
    expect((await host.evaluate('echo $A')).output).toBe('2\n');
  });
});

describe('quoteWord', () => {
  it.each([
    ['', "''"],
    ['AZaz09_@%+=:,./-', 'AZaz09_@%+=:,./-'],
    ['a b', "'a b'"],
    ['$PATH:/etc/a', "'$PATH:/etc/a'"],
    ["it's", `'it'"'"'s'`],
    ['é', "'é'"],
    ['~', "'~'"],
    ['a\n', "'a\n'"],
  ])('%j is %s', (word, quoted) => {
    expect(quoteWord(word)).toBe(quoted);
  });
});

describe('injected files', () => {
  const file = (path: string, mode = '0600', content = base64('content\n')) => ({ path, mode, content });
  const told = (path: string, mode = '0600') => `Injecting ${path} with file mode ${mode}\n`;

  it('go where their paths lead, with their modes', async () => {
    const there = join(tempDir(), 'deep/er/file');
    const host = executor();
    const files = [
      file(there, '0755'),
      file('~/.npmrc'),
      file('~/a~b/~', '644'),
      file('rel/../x//y', '0777'),
      file('big', '4755'),
    ];
    expect(await host.injectFiles(files)).toBe(0);
    expect(story).toEqual([
      '$ Injecting Files',
      told(there, '0755'),
      told(`${home}/.npmrc`),
      told(`${home}/a~b/~`, '644'),
      told(`${home}/x/y`, '0777'),
      told(`${home}/big`, '4755'),
      '= 0',
    ]);
    const mode = (path: string) => (statSync(path).mode & 0o7777).toString(8);
    expect([there, `${home}/.npmrc`, `${home}/a~b/~`, `${home}/x/y`, `${home}/big`].map(mode)).toEqual([
      '755',
      '600',
      '644',
      '777',
      '755',
    ]);
    expect(mode(join(there, '..'))).toBe('750');
    expect(readFileSync(there, 'utf8')).toBe('content\n');
  });

  it('replace what is there, with any bytes', async () => {
    writeFileSync(join(home, 'x'), 'something longer than that', { mode: 0o644 });
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    expect(await executor().injectFiles([file('x', '0640', bytes.toString('base64'))])).toBe(0);
    expect(readFileSync(join(home, 'x'))).toEqual(bytes);
    expect(statSync(join(home, 'x')).mode & 0o777).toBe(0o640);
  });

  it.each([
    ['a content that is not base64', file('f', '0600', '*'), () => `Failed to decode the content of the file.\n`, 1],
    [
      'a directory that cannot be',
      file('plain/below/f'),
      () => `Failed to create directory '${home}/plain/below': mkdir ${home}/plain/below: not a directory\n`,
      1,
    ],
    [
      'a path that is a directory',
      file('directory'),
      () =>
        `Failed to create destination path '${home}/directory': open ${home}/directory: illegal operation on a directory\n`,
      1,
    ],
    ['a mode that is none', file('f', '+x'), () => `bad file permission '+x'\n`, 1],
    ['a mode that is empty', file('f', ''), () => `bad file permission ''\n`, 1],
    ['a mode of other digits', file('f', '0888'), () => `bad file permission '0888'\n`, 1],
    [
      'a disk that is full',
      file('/dev/full'),
      () => `Failed to write the content of '/dev/full': write: no space left on device\n`,
      255,
    ],
  ])('end with the first that fails: %s', async (_, bad, text, exitCode) => {
    writeFileSync(join(home, 'plain'), '');
    mkdirSync(join(home, 'directory'));
    expect(await executor().injectFiles([file('before'), bad, file('after')])).toBe(exitCode);
    const path = bad.path.startsWith('/') ? bad.path : join(home, bad.path);
    expect(story).toEqual(['$ Injecting Files', told(`${home}/before`), told(path, bad.mode), text(), `= ${exitCode}`]);
    expect(existsSync(join(home, 'after'))).toBe(false);
  });
});

describe('commands', () => {
  it('show their alias, what they run and a warning', async () => {
    const host = await started();
    expect(await host.run({ directive: 'echo a\nfalse', alias: 'Do it', warning: 'Careful.' })).toBe(1);
    expect(story).toEqual(['$ Do it', 'Running: echo a\nfalse\n', 'Warning: Careful.\n', 'a\n', '= 1']);
  });

  it('that are evaluated write no event', async () => {
    const host = await started();
    expect(await host.evaluate('echo a; (exit 3)')).toEqual({ output: 'a\n', exitCode: 3 });
    expect(story).toEqual([]);
  });

  it('inherit the environment of the agent and begin in the home directory', async () => {
    const host = await started({ env: { PATH: process.env['PATH'] ?? '', HOME: home, OF_AGENT: 'yes' } });
    expect(await host.evaluate('echo $OF_AGENT; pwd')).toEqual({ output: `yes\n${home}\n`, exitCode: 0 });
  });

  it('fail without a shell, and stopping needs none, twice', async () => {
    const host = executor();
    await Promise.all([host.stop(), host.stop()]);
    expect(await host.start()).toBe(1);
    expect(await host.run({ directive: 'true' })).toBe(1);
    expect(await host.evaluate('true')).toEqual({ output: '', exitCode: 1 });
    expect(await host.exportVariables([], [])).toBe(1);
    expect(story).toEqual(['$ true', '= 1', '$ Exporting environment variables', '= 1']);
    expect(readdirSync(temporary)).toEqual([]);
  });
});

describe('remote access', () => {
  const jumpPoint = (): string => join(home, 'ssh_jump_point');
  const remoteAccess = (...keys: string[]) => ({ sshPublicKeys: keys.map(base64), jumpPoint: jumpPoint() });

  it('adds keys to those that may log in', async () => {
    mkdirSync(join(home, '.ssh'));
    writeFileSync(join(home, '.ssh/authorized_keys'), 'ssh-rsa AAAA old');
    expect(await executor({ remoteAccess: remoteAccess('ssh-rsa AAAA one', 'ssh-rsa AAAA two') }).prepare()).toBe(0);
    expect(readFileSync(join(home, '.ssh/authorized_keys'), 'utf8')).toBe(
      'ssh-rsa AAAA old\nssh-rsa AAAA one\nssh-rsa AAAA two\n',
    );
  });

  it('makes the file such that sshd takes it, and not at all without keys', async () => {
    await executor({ remoteAccess: remoteAccess() }).prepare();
    expect(existsSync(join(home, '.ssh'))).toBe(false);
    await executor({ remoteAccess: remoteAccess('ssh-rsa AAAA one') }).prepare();
    expect(statSync(join(home, '.ssh')).mode & 0o777).toBe(0o700);
    expect(statSync(join(home, '.ssh/authorized_keys')).mode & 0o777).toBe(0o600);
  });

  it('fails with a key that is not base64, and adds none', async () => {
    const access = { sshPublicKeys: [base64('ssh-rsa AAAA one'), '?'], jumpPoint: jumpPoint() };
    expect(await executor({ remoteAccess: access }).prepare()).toBe(1);
    expect(existsSync(join(home, '.ssh'))).toBe(false);
    expect(agentLog.join('\n')).toContain('ssh_public_keys[1] of the job is not base64');
  });

  it('replaces the jump point whole, and no file behind a link', async () => {
    const elsewhere = join(home, 'elsewhere');
    writeFileSync(elsewhere, 'x'.repeat(10_000));
    symlinkSync(elsewhere, jumpPoint());
    await executor({ remoteAccess: remoteAccess() }).prepare();
    expect(readFileSync(elsewhere, 'utf8')).toHaveLength(10_000);
    expect(lstatSync(jumpPoint()).isFile()).toBe(true);
    expect(statSync(jumpPoint()).mode & 0o111).toBe(0);
    const host = await started();
    expect(await host.evaluate(`bash ${jumpPoint()} echo 'a  b'`)).toEqual({ output: 'a  b\n', exitCode: 0 });
    expect((await host.evaluate(`echo 'shopt login_shell' | bash ${jumpPoint()}`)).output).toContain('on');
  });

  it('gives login shells the variables of the job, as long as it lasts', async () => {
    writeFileSync(join(home, '.bash_profile'), 'export OWN=1');
    const host = await started({ remoteAccess: remoteAccess() });
    await host.exportVariables([variable('A', 'of the job')], []);
    await host.exportVariables([variable('SEMAPHORE_JOB_RESULT', 'passed')], []);
    const [own, ...added] = readFileSync(join(home, '.bash_profile'), 'utf8').trimEnd().split('\n');
    expect(own).toBe('export OWN=1');
    expect(added).toEqual([expect.stringMatching(/^source \/\S+env-1$/), expect.stringMatching(/^source \/\S+env-2$/)]);
    const { output } = await host.evaluate(`env -i HOME=$HOME bash --login -c 'echo $OWN $A $SEMAPHORE_JOB_RESULT'`);
    expect(output).toBe('1 of the job passed\n');
    await host.stop();
    expect(readFileSync(join(home, '.bash_profile'), 'utf8')).toBe('export OWN=1\n');
  });

  it('leaves no profile where there was none', async () => {
    const host = await started({ remoteAccess: remoteAccess() });
    await host.exportVariables([variable('A', '1')], []);
    expect(existsSync(join(home, '.bash_profile'))).toBe(true);
    await host.stop();
    expect(existsSync(join(home, '.bash_profile'))).toBe(false);
  });

  it('is nothing that a self-hosted job gets', async () => {
    const host = await started();
    await host.exportVariables([variable('A', '1')], []);
    expect(readdirSync(home)).toEqual([]);
  });
});
