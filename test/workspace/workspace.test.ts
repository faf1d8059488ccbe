import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
