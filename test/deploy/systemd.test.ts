import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { runnerLeaf } from '../../src/execution/cgroup-layout.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';

/** The units of deploy/systemd, as systemd itself reads them; no system manager has to run. */

const root = join(import.meta.dirname, '../..');
const source = join(root, 'deploy/systemd');
const units = ['semaphore-runner.service', 'semaphore-agent.service'];

/** `key=value` of a unit, a key that comes again with all its values. */
function settings(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [, key = '', value = ''] of text.matchAll(/^([A-Z]\w+)=(.*)$/gm))
    found.set(key, [...(found.get(key) ?? []), value]);
  return found;
}

/** The unit with its program where it is here, in a directory of its own. Drop-ins are named by their file. */
function install(unit: string, dropIns: readonly string[] = [], more = ''): string {
  const directory = tempDir();
  const text = readFileSync(join(source, unit), 'utf8').replace('/usr/local/bin/', `${join(root, 'bin')}/`);
  writeFileSync(join(directory, unit), text.replace(/^#(LoadCredential=)/gm, '$1'));
  mkdirSync(join(directory, `${unit}.d`));
  for (const name of dropIns) cpSync(join(source, `${unit}.d`, name), join(directory, `${unit}.d`, name));
  if (more !== '') writeFileSync(join(directory, `${unit}.d`, 'more.conf'), more);
  return join(directory, unit);
}

async function analyze(...args: string[]) {
  return await execa('systemd-analyze', args, { all: true, reject: false, env: { SYSTEMD_COLORS: '0' } });
}

/** What systemd finds wrong; 252, which Debian 12 has, does not know one of the keys yet. */
async function problems(unit: string): Promise<string[]> {
  const { all } = await analyze('verify', unit);
  return all.split('\n').filter((line) => line !== '' && !line.includes("'DelegateSubgroup'"));
}

async function exposure(unit: string): Promise<number> {
  const { all } = await analyze('security', '--offline=true', '--no-pager', unit);
  return Number(/Overall exposure level for .*: ([\d.]+)/.exec(all)?.[1]);
}

describe.runIf(needs('systemd-analyze'))('the units', () => {
  it.each(units)('%s: are what systemd understands', async (unit) => {
    expect(await problems(install(unit))).toEqual([]);
  });

  it('would be found wrong', async () => {
    expect((await problems(install(units[0] ?? '', [], '[Service]\nKillMod=process\n'))).join()).toContain('KillMod');
  });

  it.each(units)('%s: are hardened, and much less so with the drop-in for privileges', async (unit) => {
    expect(await exposure(install(unit))).toBeLessThan(2.5);
    const dropIn = unit.includes('runner') ? 'privileged-tasks.conf' : 'privileged-jobs.conf';
    const loose = install(unit, [dropIn]);
    expect(await problems(loose)).toEqual([]);
    expect(await exposure(loose)).toBeGreaterThan(6);
  });

  it.each(units)('%s: the drop-in turns back everything that keeps sudo from working', (unit) => {
    const strict = settings(readFileSync(join(source, unit), 'utf8'));
    const dropIn = unit.includes('runner') ? 'privileged-tasks.conf' : 'privileged-jobs.conf';
    const loose = settings(readFileSync(join(source, `${unit}.d`, dropIn), 'utf8'));
    const first = [...strict.keys()].indexOf('NoNewPrivileges');
    const switches = [...strict.keys()].slice(first).filter((key) => key !== 'WantedBy');
    // These do not matter to a process that becomes root.
    const harmless = ['AmbientCapabilities', 'KeyringMode', 'ReadWritePaths', 'SystemCallErrorNumber'];
    expect([...loose.keys()].sort()).toEqual(switches.filter((key) => !harmless.includes(key)).sort());
  });

  it('let tasks outlive the runner, and none outlive the agent', () => {
    const runner = settings(readFileSync(join(source, 'semaphore-runner.service'), 'utf8'));
    expect(Object.fromEntries(runner)).toMatchObject({
      KillMode: ['process'],
      Restart: ['always'],
      RestartPreventExitStatus: ['4'],
      OOMPolicy: ['continue'],
      Delegate: ['yes'],
      DelegateSubgroup: [runnerLeaf],
    });
    // Each of these would take from the tasks what they use, when the unit stops.
    for (const key of ['PrivateTmp', 'RemoveIPC', 'DynamicUser', 'RuntimeDirectory'])
      expect(runner.has(key)).toBe(false);
    const agent = settings(readFileSync(join(source, 'semaphore-agent.service'), 'utf8'));
    expect(Object.fromEntries(agent)).toMatchObject({ KillMode: ['mixed'], StateDirectory: ['semaphore-agent'] });
    for (const unit of [runner, agent]) expect(unit.has('MemoryDenyWriteExecute')).toBe(false);
  });

  it('start commands that are there, with variables that are known', async () => {
    const pages = ['configuration.md', 'agent-options.md', 'agent.md'].map((page) =>
      readFileSync(join(root, 'docs', page), 'utf8'),
    );
    for (const unit of units) {
      const text = settings(readFileSync(join(source, unit), 'utf8'));
      const [program = '', ...words] = (text.get('ExecStart')?.[0] ?? '')
        .replace('/usr/local/bin/', `${join(root, 'bin')}/`)
        .split(' ');
      const { stdout, exitCode } = await execa(process.execPath, [
        program,
        ...words.filter((word) => /^[a-z]/.test(word)),
        '--help',
      ]);
      expect(exitCode).toBe(0);
      for (const flag of words.filter((word) => word.startsWith('--'))) expect(stdout).toContain(flag);
      for (const [name = ''] of (text.get('Environment') ?? []).map((entry) => entry.split('=')))
        if (!['HOME', 'SEMAPHORE_CONFIG'].includes(name)) expect(pages.join('\n')).toContain(`\`${name}\``);
    }
  });
});

describe.runIf(needs('systemd-sysusers'))('their user', () => {
  it('is made as systemd makes users', async () => {
    const made = tempDir();
    mkdirSync(join(made, 'etc'));
    const { all } = await execa('systemd-sysusers', [`--root=${made}`, join(source, 'semaphore.sysusers')], {
      all: true,
    });
    expect(readFileSync(join(made, 'etc/passwd'), 'utf8'), all).toMatch(
      /^semaphore:x:\d+:\d+:Semaphore runner and agent:/m,
    );
    rmSync(made, { recursive: true });
  });
});
