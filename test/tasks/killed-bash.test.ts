import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { inBatches, killedTask, type KilledTask } from '../support/killed-task/index.ts';
import { TestRepository } from '../support/git-repository.ts';
import { makeKey } from '../support/sshd.ts';
import { tempDir } from '../support/temp-dir.ts';
import { needs } from '../support/tools.ts';
import { configuration, delivered, type JobParts } from './support.ts';

/** A task with a script of a repository; the script finds a directory of the test's in `$OUT`. */
function bashTask(script: string, parts: JobParts = {}): KilledTask & { out: string; runs(): number } {
  const repository = new TestRepository();
  repository.commit({ 'run.sh': `echo run >> "$OUT/runs"\n${script}`, 'input.txt': 'from the repository\n' });
  const out = tempDir();
  const task = killedTask({
    ...delivered({
      repository: { git_url: repository.url },
      environment: { env: JSON.stringify({ OUT: out }) },
      ...parts,
    }),
    config: configuration,
  });
  return { ...task, out, runs: () => readFileSync(join(out, 'runs'), 'utf8').split('\n').length - 1 };
}

const script = 'echo one\nsleep 0.3\necho two >&2\ncat input.txt\n';

/** Waits at a gate that the test opens. */
const gated = 'echo one\ntouch "$OUT/waits"\nuntil test -e "$OUT/gate"; do sleep 0.05; done\n';

function open(task: { out: string }): void {
  writeFileSync(join(task.out, 'gate'), '');
}

function withoutUrl(lines: string[]): string[] {
  return lines.map((line) => line.replace(/file:\/\/\S+/, '<url>'));
}

describe('a bash task whose runner is killed', () => {
  it('comes to the same end from everywhere, each step once, with the same log', { timeout: 300_000 }, async () => {
    const reference = bashTask(script);
    const undisturbed = await reference.live();
    expect(undisturbed).toMatchObject({ outcome: { kind: 'success' }, survivors: 0 });
    const points = undisturbed?.points ?? 0;
    expect(points).toBeGreaterThan(15);
    await inBatches(points, 1, async (before) => {
      const task = bashTask(script);
      expect(await task.live({ before })).toBe(undefined);
      // Every third one is killed again.
      const second = before % 3 === 0 ? await task.live({ before: before + 1 }) : undefined;
      expect({ before, ...(second ?? (await task.live())) }).toMatchObject({
        outcome: { kind: 'success' },
        survivors: 0,
      });
      expect([before, ...withoutUrl(task.log())]).toEqual([before, ...withoutUrl(reference.log())]);
      expect(task.started()).toEqual(reference.started());
      expect(task.runs()).toBe(1);
      expect(task.leftovers()).toEqual([]);
    });
  });

  it('does not notice, in the middle of its script or at its end', { timeout: 120_000 }, async () => {
    for (const endsAlone of [true, false]) {
      const task = bashTask(`${gated}echo two\n`);
      expect(await task.live({ during: 'run', when: join(task.out, 'waits') })).toBe(undefined);
      if (endsAlone) {
        open(task);
        await task.ended('run');
      }
      const life = task.live();
      open(task);
      expect(await life).toMatchObject({ outcome: { kind: 'success' }, survivors: 0 });
      expect(task.log().slice(-2)).toEqual(['one', 'two']);
      expect(task.runs()).toBe(1);
      expect(task.leftovers()).toEqual([]);
    }
  });

  it('is stopped as it should be by a runner that has only just come', { timeout: 120_000 }, async () => {
    const task = bashTask(`trap 'echo tidying up; exit 3' TERM\n${gated}`);
    expect(await task.live({ during: 'run', when: join(task.out, 'waits') })).toBe(undefined);
    expect(await task.stop()).toMatchObject({ outcome: { kind: 'stopped' }, survivors: 0 });
    expect(task.log().at(-1)).toBe('tidying up');
    expect(task.leftovers()).toEqual([]);
  });

  it.runIf(process.getuid?.() === 0 && needs('ssh-agent') && needs('ssh-add'))(
    'goes on as the user that it began as, with its key',
    { timeout: 120_000 },
    async () => {
      const repository = tempDir();
      const out = tempDir();
      chmodSync(repository, 0o755);
      chmodSync(out, 0o777);
      writeFileSync(join(repository, 'run.sh'), `${gated}id -u\nssh-add -l | wc -l\necho end\n`);
      const { privateKey } = makeKey(tempDir());
      const task = killedTask({
        ...delivered({
          repository: { git_url: repository },
          environment: { env: JSON.stringify({ OUT: out }) },
          inventory: { ssh_key_id: 12 },
          keys: { 12: { type: 'ssh', ssh: { login: '', passphrase: '', private_key: privateKey } } },
        }),
        config: (tmpPath) => {
          const plain = configuration(tmpPath);
          return { ...plain, process: { ...plain.process, user: 'nobody' } };
        },
      });
      expect(await task.live({ during: 'run', when: join(out, 'waits') })).toBe(undefined);
      const life = task.live();
      await delay(1000);
      open({ out });
      expect(await life).toMatchObject({ outcome: { kind: 'success' }, survivors: 0 });
      expect(task.log().slice(-3)).toEqual(['65534', '1', 'end']);
      expect(task.processes().list()).toEqual([]);
      expect(task.leftovers()).toEqual([]);
    },
  );

  it.runIf(needs('ssh-agent') && needs('ssh-add'))(
    'has its SSH key meanwhile, and no agent is left when nobody comes back',
    { timeout: 120_000 },
    async () => {
      const { privateKey } = makeKey(tempDir());
      const parts: JobParts = {
        inventory: { ssh_key_id: 12 },
        keys: { 12: { type: 'ssh', ssh: { login: '', passphrase: '', private_key: privateKey } } },
      };
      const task = bashTask(`${gated}ssh-add -l | wc -l\necho "$SSH_AUTH_SOCK"\n`, parts);
      expect(await task.live({ during: 'run', when: join(task.out, 'waits') })).toBe(undefined);
      // Longer than the agent's keeper waits between two looks.
      await delay(4000);
      open(task);
      await task.ended('run');
      const [count, socket = ''] = task.log().slice(-2);
      expect(count).toBe('1');
      const end = Date.now() + 60_000;
      while (task.processes().list().length > 0 && Date.now() < end) await delay(200);
      expect(task.processes().list()).toEqual([]);
      expect(await task.live()).toMatchObject({ outcome: { kind: 'success' } });
      expect(existsSync(socket.replace('<directory>', join(task.work, '..')))).toBe(false);
      expect(task.leftovers()).toEqual([]);
    },
  );
});
