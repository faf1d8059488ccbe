import { describe, expect, it } from 'vitest';
import type { SshConfig } from '../../src/config/index.ts';
import { sshCommand } from '../../src/ssh/index.ts';

describe('the command of ssh (spec 5.5)', () => {
  const plain: SshConfig = { configPath: undefined, knownHostsFile: undefined, strictHostKeyChecking: 'no' };
  const known = '/k/known';

  it.each<[Partial<SshConfig>, string]>([
    [{}, '-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null'],
    [{ knownHostsFile: known }, '-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null'],
    [
      { strictHostKeyChecking: 'yes', knownHostsFile: known },
      '-o StrictHostKeyChecking=yes -o UserKnownHostsFile=/k/known',
    ],
    [
      { strictHostKeyChecking: 'accept-new', knownHostsFile: known },
      '-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=/k/known',
    ],
    [{ strictHostKeyChecking: 'yes' }, '-o StrictHostKeyChecking=yes'],
  ])('%j', (changes, options) => {
    expect(sshCommand({ ...plain, ...changes })).toBe(`ssh ${options} -o BatchMode=yes`);
  });

  it('names the configuration file, whatever its path', () => {
    expect(sshCommand({ ...plain, configPath: "/it's here/config" })).toMatch(/ -F '\/it'\\''s here\/config'$/);
  });
});
