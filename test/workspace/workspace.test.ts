import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Workspace } from '../../src/workspace/index.ts';
import { tempDir } from '../support/temp-dir.ts';

function workspace(): { room: Workspace; root: string } {
  const root = join(tempDir(), 'work');
  return { room: new Workspace({ root }), root };
}

function mode(path: string): number {
  return statSync(path).mode & 0o777;
}

describe('Workspace', () => {
  it('makes private directories and files, also where open ones were before', async () => {
    const { room, root } = workspace();
    mkdirSync(join(root, 'project_7'), { recursive: true, mode: 0o755 });
    chmodSync(root, 0o755);
    const task = await room.openTask(7, 1);
    expect(task.project).toBe(join(root, 'project_7'));
    expect(mode(root)).toBe(0o755);
    expect(mode(task.project)).toBe(0o700);
    expect(mode(task.private)).toBe(0o700);
    expect(mode(await task.writePrivate('inventory', 'localhost\n'))).toBe(0o600);
    await task.close();
  });

  it('removes what belongs to one task, always, and what a crash left of it', async () => {
    const { room } = workspace();
    const task = await room.openTask(7, 1);
    await task.writePrivate('inventory', 'from before');
    await room.close();
    const again = await new Workspace({ root: room.root }).openTask(7, 1);
    const file = await again.writePrivate('inventory', 'fresh');
    expect(readFileSync(file, 'utf8')).toBe('fresh');
    await again.close();
    await again.close();
    expect(readdirSync(again.project)).toEqual([]);
  });

  it('gives a second task of a template a working tree and a home of its own, and the first one back later', async () => {
    const { room } = workspace();
    const [first, second] = [await room.openTask(7, 1), await room.openTask(7, 2)];
    const name = 'repository_3_template_33_main_0';
    const trees = [first.takeCheckout(name), second.takeCheckout(name)];
    expect(trees).toEqual([join(first.project, name), join(first.project, `${name}_2`)]);
    const homes = [await first.takeHome(3, 33), await second.takeHome(3, 33)];
    expect(homes[0]).toEqual({
      home: join(first.project, 'repository_3_template_33_home'),
      internal: join(first.project, 'repository_3_template_33_internal'),
    });
    expect(homes[1]).toEqual({
      home: join(first.project, 'repository_3_template_33_home_2'),
      internal: join(first.project, 'repository_3_template_33_internal_2'),
    });
    await first.close();
    const third = await room.openTask(7, 3);
    expect(third.takeCheckout(name)).toBe(join(first.project, name));
  });

  it('shares a mirror', async () => {
    const { room } = workspace();
    const [first, second] = [await room.openTask(7, 1), await room.openTask(7, 2)];
    expect(first.shareMirror(3, 'u')).toBe(second.shareMirror(3, 'u'));
  });
});

describe('clear_cache', () => {
  function put(root: string, ...paths: string[]): void {
    for (const path of paths) {
      mkdirSync(join(root, path), { recursive: true });
      writeFileSync(join(root, path, 'file'), 'x');
    }
  }

  it('removes the directories of all projects, and nothing that is not ours', async () => {
    const { room, root } = workspace();
    put(root, 'project_7/repository_1_template_1_x', 'project_8/.ansible', '.runner-abc/jobs/1', 'notes', 'project_x');
    const { failed } = await room.clear();
    expect(failed).toEqual([]);
    expect(readdirSync(root).sort()).toEqual(['.runner-abc', 'notes', 'project_7', 'project_8', 'project_x']);
    expect(readdirSync(join(root, 'project_7'))).toEqual([]);
    expect(readdirSync(join(root, 'project_8'))).toEqual([]);
    expect(existsSync(join(root, '.runner-abc/jobs/1/file'))).toBe(true);
  });

  it('of one project leaves the others', async () => {
    const { room, root } = workspace();
    put(root, 'project_7/a', 'project_8/a');
    expect((await room.clear(7)).removed).toEqual([join(root, 'project_7/a')]);
    expect(readdirSync(join(root, 'project_8'))).toEqual(['a']);
  });

  it('leaves alone what a running task uses, until it has ended', async () => {
    const { room, root } = workspace();
    const task = await room.openTask(7, 1);
    await task.writePrivate('inventory', 'x');
    const tree = task.takeCheckout('repository_1_template_1_main_0');
    const mirror = task.shareMirror(1, 'u');
    const { home, internal } = await task.takeHome(1, 1);
    mkdirSync(tree);
    mkdirSync(mirror);
    put(root, 'project_7/repository_1_template_2_main_0', 'project_7/mirror_2_0', 'project_7/.cache');
    await room.clear();
    const paths = [tree, mirror, home, internal, task.private];
    expect(readdirSync(task.project).sort()).toEqual(paths.map((path) => path.slice(task.project.length + 1)).sort());
    await task.close();
    await room.clear();
    expect(readdirSync(task.project)).toEqual([]);
  });

  it('leaves what tools keep in a project directory that is the home of a running task', async () => {
    const { room, root } = workspace();
    const task = await room.openTask(7, 1);
    task.shareProjectHome();
    put(root, 'project_7/.ansible', 'project_7/repository_1_template_2_main_0');
    await room.clear(7);
    expect(readdirSync(task.project).sort()).toEqual(['.ansible', 'task_1']);
  });

  it('does nothing where nothing is', async () => {
    const { room } = workspace();
    expect(await room.clear()).toEqual({ removed: [], failed: [] });
    expect(await room.clear(7)).toEqual({ removed: [], failed: [] });
  });
});

describe('a task that another process goes on with', () => {
  const name = 'repository_3_template_33_main_0';

  /** What a killed runner leaves of task 2, which has the second of everything, because task 1 had the first. */
  async function killed() {
    const root = join(tempDir(), 'work');
    const room = new Workspace({ root });
    await (await room.openTask(7, 1)).takeHome(3, 33);
    const [first, task] = [await room.openTask(7, 3), await room.openTask(7, 2)];
    first.takeCheckout(name);
    const tree = task.takeCheckout(name);
    const mirror = task.shareMirror(3, 'u');
    const home = await task.takeHome(3, 33);
    const file = await task.writePrivate('plan', 'written by the tool meanwhile');
    await room.close();
    return { root, tree, mirror, home, file, project: task.project, private: task.private };
  }

  it('leaves nothing of its own when it is ended instead', async () => {
    const before = await killed();
    const room = new Workspace({ root: before.root });
    await room.sweep({ spare: new Set([2]) });
    expect(existsSync(before.file)).toBe(true);
    await room.abandon(2);
    expect(existsSync(before.private)).toBe(false);
    expect((await room.openTask(7, 5)).takeCheckout(name)).toBe(join(before.project, name));
    await room.abandon(2);
  });

  it('has the same directories and files again, and nobody else gets them before', async () => {
    const before = await killed();
    expect(before.tree).toBe(join(before.project, `${name}_2`));
    const room = new Workspace({ root: before.root });
    room.reserve(7, 2);
    const other = await room.openTask(7, 4);
    expect([other.takeCheckout(name), other.takeCheckout(name)]).toEqual([
      join(before.project, name),
      join(before.project, `${name}_3`),
    ]);
    const task = await room.openTask(7, 2, undefined, { resumed: true });
    expect(task.takeCheckout(name)).toBe(before.tree);
    expect(task.shareMirror(3, 'u')).toBe(before.mirror);
    expect(await task.takeHome(3, 33)).toEqual(before.home);
    expect(await task.writePrivate('plan', '')).toBe(before.file);
    expect(readFileSync(before.file, 'utf8')).toBe('written by the tool meanwhile');
    // Another one of the same name is new.
    expect(task.takeCheckout(name)).toBe(join(before.project, `${name}_4`));
    await task.close();
    expect(existsSync(before.private)).toBe(false);
    expect((await room.openTask(7, 5)).takeCheckout(name)).toBe(before.tree);
  });

  it('is spared by the sweep and by clear_cache', async () => {
    const before = await killed();
    mkdirSync(before.tree);
    const room = new Workspace({ root: before.root });
    const { removed } = await room.sweep({ spare: new Set([2]) });
    expect(removed.toSorted()).toEqual([join(before.project, 'task_1'), join(before.project, 'task_3')]);
    await room.clear();
    expect([before.tree, before.file].map((path) => existsSync(path))).toEqual([true, true]);
    await (await room.openTask(7, 2, undefined, { resumed: true })).close();
    await room.clear();
    expect(existsSync(before.tree)).toBe(false);
  });

  it('has no other places than its project has, whatever a tool wrote into its notes', async () => {
    const before = await killed();
    const notes = join(before.private, '.leases');
    writeFileSync(notes, 'alone ../../etc\nalone /etc\nshared ..\nalone repository_1/x\nrubbish\n');
    const room = new Workspace({ root: before.root });
    const task = await room.openTask(7, 2, undefined, { resumed: true });
    expect(task.takeCheckout(name)).toBe(join(before.project, name));
    await task.close();
    mkdirSync(before.private);
    symlinkSync('/dev/zero', notes);
    await (await room.openTask(7, 2, undefined, { resumed: true })).close();
  });

  it('has what was noted before a line that was cut short, and notes more where a tool has put something in the way', async () => {
    const before = await killed();
    const notes = join(before.private, '.leases');
    const file = join(before.project, 'not-ours');
    writeFileSync(file, 'theirs\n');
    writeFileSync(notes, `alone ${name}_2\nalone ${name}_7`);
    const room = new Workspace({ root: before.root });
    const task = await room.openTask(7, 2, undefined, { resumed: true });
    expect([task.takeCheckout(name), task.takeCheckout(name)]).toEqual([before.tree, join(before.project, name)]);
    for (const put of [
      () => symlinkSync(file, notes),
      () => linkSync(file, notes),
      () => execFileSync('mkfifo', [notes]),
    ]) {
      rmSync(notes);
      put();
      const mirror = task.shareMirror(3, String(put));
      expect(readFileSync(notes, 'utf8')).toBe(`shared ${basename(mirror)}\n`);
    }
    expect(readFileSync(file, 'utf8')).toBe('theirs\n');
    await task.close();
  });

  it('begins anew where nothing is left', async () => {
    const room = new Workspace({ root: join(tempDir(), 'work') });
    room.reserve(7, 2);
    const task = await room.openTask(7, 2, undefined, { resumed: true });
    expect(existsSync(task.private)).toBe(true);
    await task.close();
  });

  it.runIf(process.getuid?.() === 0)('follows no link that the user of its tools has put in its way', async () => {
    const [root, victim] = [join(tempDir(), 'work'), tempDir()];
    chmodSync(victim, 0o755);
    const owner = { uid: 65534, gid: 65534 };
    const room = new Workspace({ root });
    const task = await room.openTask(7, 2, owner);
    const { home } = await task.takeHome(3, 33);
    for (const path of [task.private, home]) {
      rmSync(path, { recursive: true });
      symlinkSync(victim, path);
    }
    await expect(room.openTask(7, 2, owner, { resumed: true })).rejects.toThrow(/ELOOP|ENOTDIR/);
    await expect((await room.openTask(7, 6, owner)).takeHome(3, 33)).resolves.toMatchObject({ home: `${home}_2` });
    await task.close();
    await expect((await room.openTask(7, 7, owner)).takeHome(3, 33)).rejects.toThrow(/ELOOP|ENOTDIR/);
    expect([mode(victim), statSync(victim).uid]).toEqual([0o755, 0]);
  });
});
