import { describe, expect, it } from 'vitest';
import { captureProcess, which } from '../../src/execution/index.ts';
import { launchAs, type Identity } from '../../src/execution/identity.ts';
import { needs } from '../support/tools.ts';

async function run(identity: Identity, script: string): Promise<string> {
  const spec = { command: 'sh', args: ['-c', script], cwd: '/', env: { PATH: '/usr/bin:/bin' } };
  const stop = { signal: 'SIGTERM', graceMs: 100 } as const;
  const { signal } = new AbortController();
  return (await captureProcess({ ...spec, ...identity, stop }, { tag: 'identity-test', signal })).stdout.trim();
}

describe('launchAs', () => {
  it('leaves to Node what it can do, so that nothing more is needed', () => {
    expect(launchAs({}, 'tool', ['a'])).toEqual({ command: 'tool', args: ['a'], options: {} });
    expect(launchAs({ uid: 7 }, 'tool', [])).toEqual({ command: 'tool', args: [], options: {} });
    const options = { uid: 7, gid: 8 };
    expect(launchAs({ uid: 7, gid: 8 }, 'tool', [])).toEqual({ command: 'tool', args: [], options });
  });

  it.runIf(process.getuid?.() === 0 && needs('setpriv'))(
    'gives the groups of a user, and takes all others',
    async () => {
      expect(await run({ uid: 4242, gid: 4343, groups: [4343, 12, 34] }, 'id -u; id -G')).toBe('4242\n4343 12 34');
      expect(await run({ uid: 4242, gid: 4343 }, 'id -G')).toBe('4343');
      expect(await run({ uid: 4242, gid: 4343, noNewPrivs: true }, 'id -G')).toBe('4343');
    },
  );

  it.runIf(process.getuid?.() === 0)('leaves no capability', async () => {
    for (const noNewPrivs of [true, false]) {
      const said = await run({ uid: 4242, gid: 4343, noNewPrivs }, 'grep -E "Cap(Eff|Prm)" /proc/self/status');
      expect(said.replaceAll(/\s+/g, ' ')).toBe('CapPrm: 0000000000000000 CapEff: 0000000000000000');
    }
  });
});

describe('which', () => {
  it('passes over a directory that cannot be entered', () => {
    expect(which('sh', '/dev/null:/usr/bin:/bin', '/').kind).toBe('found');
  });
});
