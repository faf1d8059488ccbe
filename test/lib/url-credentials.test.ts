import { describe, expect, it } from 'vitest';
import { urlCredentials, withoutUrlCredentials } from '../../src/lib/index.ts';

describe('credentials in URLs', () => {
  it.each<[string, string, string[]]>([
    ['clone https://bob:hunter22@git.example/x.git', 'clone https://bob:***@git.example/x.git', ['hunter22']],
    ['https://bob:p%40ss@h/x', 'https://bob:***@h/x', ['p%40ss', 'p@ss']],
    ['https://bob:p@ss/w@rd@host.example/x', 'https://bob:***@host.example/x', ['p', 'p@ss/w', 'p@ss/w@rd']],
    ['https://glpat-abc@host/x', 'https://***@host/x', ['glpat-abc']],
    [
      '"postgres://app:pw1@db:5432/x", "redis://:pw2@[::1]"',
      '"postgres://app:***@db:5432/x", "redis://:***@[::1]"',
      ['pw1', 'pw2'],
    ],
    ['ssh://git@host/x git@host:x', 'ssh://git@host/x git@host:x', []],
    [
      'http://127.0.0.1:3000/a@b https://host/@scope/package',
      'http://127.0.0.1:3000/a@b https://host/@scope/package',
      [],
    ],
    ['https://user:@host', 'https://user:***@host', []],
    ['nothing', 'nothing', []],
  ])('are found in %s', (text, shown, secrets) => {
    expect(withoutUrlCredentials(text)).toBe(shown);
    expect(urlCredentials(text)).toEqual(secrets);
  });
});
