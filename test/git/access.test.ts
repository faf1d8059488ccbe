import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { accessSettings, configParameters, type GitAccess } from '../../src/git/index.ts';
import { sshConfigFile } from '../../src/ssh/index.ts';
import { tempDir } from '../support/temp-dir.ts';

const none: GitAccess = { credentials: [], rewrites: [] };

/** What real git makes of the settings. */
function ask(access: GitAccess, given: string, args: string[], input = ''): string {
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: '/nonexistent',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_PARAMETERS: configParameters(accessSettings(access), given),
  };
  return execFileSync('git', args, { env, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] });
}

describe('credentials for URLs', () => {
  /** A file instead of a pipe: git's helper reads both. */
  const credentials = (entries: Record<string, string>): GitAccess => ({
    ...none,
    credentials: Object.entries(entries).map(([url, login]) => {
      const pipe = join(tempDir(), `it's ${login}`);
      writeFileSync(pipe, `username=${login}\npassword=pw\n`);
      return { url, pipe };
    }),
  });
  const loginFor = (access: GitAccess, url: string, given = ''): string | undefined => {
    try {
      return /username=(.*)/.exec(ask(access, given, ['credential', 'fill'], `url=${url}\n\n`))?.[1];
    } catch {
      return undefined;
    }
  };

  const access = (): GitAccess =>
    credentials({
      'https://git.example/team/app': 'app',
      'https://git.example/team/': 'team',
      'https://git.example/team/deep/er/': 'deep',
      'https://git.example:8443': 'port',
      'https://other.example/a%20b/': 'space',
    });

  it.each([
    ['https://git.example/team/app', 'app'],
    ['https://git.example/team/app.git', 'app'],
    ['https://git.example/team/x.git', 'team'],
    ['https://git.example/team/deep/x', 'team'],
    ['https://git.example/team/deep/er/x', 'deep'],
    ['https://GIT.example/team/x', 'team'],
    ['https://git.example/teams/x', undefined],
    ['https://git.example/', undefined],
    ['http://git.example/team/x', undefined],
    ['https://git.example:8443/any', 'port'],
    ['https://git.example:844/any', undefined],
    ['https://git.example.org/team/x', undefined],
    ['https://other.example/a%20b/x', 'space'],
  ])('for %s are those of %s', (url, login) => {
    expect(loginFor(access(), url)).toBe(login);
  });

  it('replace helpers that are given already, where they are for, and leave them elsewhere', () => {
    const given = `'credential.helper=!echo username=given; echo password=x; :'`;
    expect(loginFor(access(), 'https://git.example/team/x', given)).toBe('team');
    expect(loginFor(access(), 'https://git.example/x', given)).toBe('given');
  });
});

describe('rewrites of URLs', () => {
  const rewrites = [
    { from: 'https://git.example/', to: 'git@alias-1:' },
    { from: 'https://git.example/own/repo.git', to: 'https://git.example/own/repo.git' },
    { from: 'https://git.example/team/', to: 'git@alias-2:team/' },
  ];
  const asked = (url: string): string =>
    ask({ ...none, rewrites }, `'user.name=kept'`, ['ls-remote', '--get-url', url]).trim();

  it.each([
    ['https://git.example/x.git', 'git@alias-1:x.git'],
    ['https://git.example/team/x.git', 'git@alias-2:team/x.git'],
    ['https://git.example/own/repo.git', 'https://git.example/own/repo.git'],
    ['https://git.example.org/x', 'https://git.example.org/x'],
  ])('ask for %s as %s', (url, other) => {
    expect(asked(url)).toBe(other);
  });

  it('keep what is given already', () => {
    expect(ask({ ...none, rewrites }, `'user.name=kept'`, ['config', 'user.name'])).toBe('kept\n');
  });
});

describe('the configuration of ssh', () => {
  it('is understood by ssh: keys of single hosts first, then what the administrator says', () => {
    const directory = tempDir();
    const theirs = join(directory, 'their config');
    writeFileSync(theirs, 'Host *\n  User theirs\n  Port 2222\n', { mode: 0o600 });
    const blocks = [
      { pattern: 'git.example', user: 'me', agentSocket: '/tmp/a 100%/s' },
      { pattern: 'alias-7', hostName: 'real.example', agentSocket: '/tmp/b' },
    ];
    const file = join(directory, 'config');
    writeFileSync(file, sshConfigFile(blocks, theirs), { mode: 0o600 });
    const of = (host: string): Record<string, string> =>
      Object.fromEntries(
        execFileSync('ssh', ['-G', '-F', file, host], { encoding: 'utf8' })
          .split('\n')
          .map((line) => [line.split(' ', 1)[0] ?? '', line.slice(line.indexOf(' ') + 1)]),
      );
    expect(of('git.example')).toMatchObject({ user: 'me', port: '2222', identityagent: '/tmp/a 100%/s' });
    expect(of('alias-7')).toMatchObject({ user: 'theirs', hostname: 'real.example', identityagent: '/tmp/b' });
    expect(of('else.example')).toMatchObject({ user: 'theirs', port: '2222' });
    expect(of('else.example')['identityagent']).toBeUndefined();
  });

  it('includes the usual files where the administrator names none', () => {
    expect(sshConfigFile([], undefined)).toBe('Match all\n  Include ~/.ssh/config /etc/ssh/ssh_config\n');
  });
});
