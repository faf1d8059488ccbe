import { describe, expect, it } from 'vitest';
import { captureProcess, which } from '../../src/execution/index.ts';
import { launchAs, type Identity } from '../../src/execution/identity.ts';
import { needs } from '../support/tools.ts';

async function run(identity: Identity, script: string, more: Record<string, string> = {}): Promise<string> {
  const spec = { command: 'sh', args: ['-c', script], cwd: '/', env: { PATH: '/usr/bin:/bin', ...more } };
  const stop = { signal: 'SIGTERM', graceMs: 100 } as const;
  const { signal } = new AbortController();
  return (await captureProcess({ ...spec, ...identity, stop }, { tag: 'identity-test', signal })).stdout.trim();
}

describe('launchAs', () => {
  it('leaves to Node what it can do, so that nothing more is needed', () => {
    const env = { A: '1', LD_PRELOAD: 'x' };
    expect(launchAs({}, env, 'tool', ['a'])).toEqual({ command: 'tool', args: ['a'], options: { env } });
    expect(launchAs({ uid: 7 }, env, 'tool', [])).toEqual({ command: 'tool', args: [], options: { env } });
    const options = { uid: 7, gid: 8, env };
    expect(launchAs({ uid: 7, gid: 8 }, env, 'tool', [])).toEqual({ command: 'tool', args: [], options });
  });

  it.runIf(process.getuid?.() === 0 && needs('setpriv'))(
    'gives the groups of a user, and takes all others',
    async () => {
      expect(await run({ uid: 4242, gid: 4343, groups: [4343, 12, 34] }, 'id -u; id -G')).toBe('4242\n4343 12 34');
      expect(await run({ uid: 4242, gid: 4343 }, 'id -G')).toBe('4343');
      expect(await run({ uid: 4242, gid: 4343, noNewPrivs: true }, 'id -G')).toBe('4343');
    },
  );

  it.runIf(needs('setpriv'))(
    'keeps from setpriv what would make it load the code of a task, and not from the task',
    async () => {
      const env = { LD_PRELOAD: '/no/such.so', LD_LIBRARY_PATH: `it's "here" $HOME`, GCONV_PATH: '/x', LANG: 'C' };
      const launch = launchAs({ noNewPrivs: true }, env, 'tool', []);
      const seen = Object.keys(launch?.options.env ?? {}).filter((name) => /^(LD_|GCONV)/.test(name));
      expect(seen).toEqual([]);
      const said = await run(
        { noNewPrivs: true },
        'echo "$LD_LIBRARY_PATH|$GCONV_PATH|$LANG"; env | grep -c CARRIED',
        env,
      );
      expect(said).toBe(`it's "here" $HOME|/x|C\n0`);
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
