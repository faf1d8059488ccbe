import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { classifyFailure } from '../../src/git/failure.ts';
import { KeyedLock } from '../../src/git/keyed-lock.ts';
import { parseRemote } from '../../src/git/remote.ts';
import { isHash, isRefName } from '../../src/git/revision.ts';

describe('parseRemote', () => {
  it.each([
    ['/srv/repo', 'local', '/srv/repo', '/srv/repo'],
    [String.raw`C:\repos\x`, 'local', String.raw`C:\repos\x`, String.raw`C:\repos\x`],
    ['file:///srv/a@b.git', 'file', 'file:///srv/a@b.git', 'file:///srv/a@b.git'],
    ['git@host.example:group/x.git', 'ssh', 'git@host.example:group/x.git', 'git@host.example:group/x.git'],
    ['ssh://git:pw@host.example:22/x', 'ssh', 'ssh://git@host.example:22/x', 'ssh://host.example:22/x'],
    ['HTTPS://u:p@host.example/x.git', 'http', 'https://host.example/x.git', 'https://host.example/x.git'],
    ['git://host.example/x', 'other', 'git://host.example/x', 'git://host.example/x'],
  ])('%s', (text, kind, url, display) => {
    expect(parseRemote(text)).toMatchObject({ kind, url, display });
  });

  it('takes credentials out of a URL, also such as nobody encoded', () => {
    expect(parseRemote('https://alice:p%40ss@host.example:8443/x.git')).toEqual({
      kind: 'http',
      url: 'https://host.example:8443/x.git',
      display: 'https://host.example:8443/x.git',
      origin: 'https://host.example:8443',
      login: 'alice',
      password: 'p@ss',
    });
    expect(parseRemote('https://alice:p@s/s%@host.example/x.git')).toMatchObject({
      url: 'https://host.example/x.git',
      login: 'alice',
      password: 'p@s/s%',
    });
    expect(parseRemote('https://token@host.example/x')).toMatchObject({ login: 'token', password: undefined });
  });
});

describe('names of revisions', () => {
  it.each(['main', 'feature/x', 'v1.0', 'a@b', 'ünïcode', 'x-y_z', 'HEAD'])('%s is one', (name) => {
    expect(isRefName(name)).toBe(true);
  });
  it.each([
    '',
    '-x',
    '--x',
    '@',
    'a..b',
    'a b',
    'a~1',
    'a^',
    'a:b',
    'a?',
    'a*',
    'a[',
    'a\\b',
    '/a',
    'a/',
    'a//b',
    'a.',
    '.a',
    'a/.b',
    'a.lock',
    'a@{1}',
    'a\nb',
  ])('%j is none', (name) => {
    expect(isRefName(name)).toBe(false);
  });
  it('a hash has 7 to 64 hexadecimal digits', () => {
    expect([isHash('abc1234'), isHash('A'.repeat(40)), isHash('abc123'), isHash('g'.repeat(40))]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

describe('classifyFailure', () => {
  it.each([
    ['authentication', "remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://h/x/'"],
    ['authentication', "fatal: could not read Username for 'https://h': terminal prompts disabled"],
    ['authentication', 'git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.'],
    ['authentication', "fatal: unable to access 'https://h/x/': The requested URL returned error: 403"],
    ['host-key', 'Host key verification failed.\nfatal: Could not read from remote repository.'],
    ['network', "fatal: unable to access 'https://h/': Could not resolve host: h"],
    ['network', 'error: RPC failed; curl 18 transfer closed\nfatal: early EOF'],
    ['network', "fatal: unable to access 'https://h/x/': The requested URL returned error: 502"],
    ['network', 'ssh: connect to host h port 22: Connection refused\nfatal: Could not read from remote repository.'],
    ['network', 'client_loop: send disconnect: Broken pipe\nfatal: the remote end hung up unexpectedly'],
    ['not-found', "remote: Repository not found.\nfatal: repository 'https://h/x/' not found"],
    ['not-found', "fatal: '/x' does not appear to be a git repository"],
    ['refused-protocol', "fatal: transport 'ext' not allowed"],
    ['locked', "fatal: Unable to create '/p/mirror/packed-refs.lock': File exists."],
    ['damaged', 'error: object file ./objects/ab/cd is empty\nfatal: loose object abcd is corrupt'],
    ['damaged', 'fatal: bad object refs/heads/main'],
    ['disk', 'error: unable to write file x: No space left on device\nfatal: fetch-pack: invalid index-pack output'],
    ['ownership', "fatal: detected dubious ownership in repository at '/x'"],
    ['other', 'fatal: something new'],
  ])('%s: %s', (kind, output) => {
    expect(classifyFailure(output).kind).toBe(kind);
  });

  it('quotes the line that says most', () => {
    expect(classifyFailure('remote: a\nerror: b\nfatal: c\nmore\n').said).toBe('fatal: c');
    expect(classifyFailure('').said).toBe('');
  });

  it('finds the lock in the way', () => {
    const said = "error: cannot lock ref 'refs/heads/x': Unable to create '/p/m/refs/heads/x.lock': File exists.";
    expect(classifyFailure(said)).toMatchObject({ kind: 'locked', lock: '/p/m/refs/heads/x.lock' });
  });
});

describe('KeyedLock', () => {
  it('lets one in per key, in order, and the next when one fails or gives up', async () => {
    const lock = new KeyedLock();
    const never = new AbortController().signal;
    const order: string[] = [];
    const work =
      (name: string, fail = false) =>
      async () => {
        order.push(`${name} in`);
        await sleep(10);
        order.push(`${name} out`);
        if (fail) throw new Error(name);
      };
    const stop = new AbortController();
    const first = lock.run('k', never, work('a', true));
    const second = lock.run('k', stop.signal, work('b'));
    const third = lock.run('k', never, work('c'));
    const other = lock.run('other', never, work('x'));
    stop.abort();
    await expect(second).rejects.toThrow();
    await expect(first).rejects.toThrow('a');
    await Promise.all([third, other]);
    expect(order.filter((entry) => !entry.startsWith('x'))).toEqual(['a in', 'a out', 'c in', 'c out']);
    expect(order.indexOf('x in')).toBeLessThan(order.indexOf('a out'));
  });

  it('does not let the next one in while an earlier one still works', async () => {
    const lock = new KeyedLock();
    const never = new AbortController().signal;
    let inside = 0;
    let most = 0;
    const work = async () => {
      inside += 1;
      most = Math.max(most, inside);
      await sleep(5);
      inside -= 1;
    };
    const stop = new AbortController();
    const runs = [
      lock.run('k', never, work),
      lock.run('k', stop.signal, work).catch(() => {}),
      lock.run('k', never, work),
    ];
    stop.abort();
    runs.push(lock.run('k', never, work));
    await Promise.all(runs);
    expect(most).toBe(1);
  });
});
