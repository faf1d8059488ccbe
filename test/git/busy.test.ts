import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { TestRepository } from '../support/git-repository.ts';
import { testTaskHost } from '../support/task-host.ts';
import { checkouts } from './support.ts';

/** A room with a checkout, in whose mirror a process works that another task's runner started before it was killed. */
async function busyRoom() {
  const repository = new TestRepository();
  repository.commit({ 'a.txt': 'one\n' }, 'one');
  const room = checkouts(repository.url);
  expect((await room.run()).result.kind).toBe('done');
  repository.commit({ 'a.txt': 'two\n' }, 'two');
  const git = spawn('sleep', ['600'], { cwd: room.mirror, stdio: 'ignore' });
  onTestFinished(() => void git.kill('SIGKILL'));
  const mark = join(room.project, '.busy-mirror_1_0');
  writeFileSync(mark, '/another/task');
  return { room, git, mark };
}

describe('a mirror in which a git works that nobody waits for yet', () => {
  it('is left to it until it has ended', async () => {
    const { git, mark, room } = await busyRoom();
    const ended = once(git, 'exit');
    let done = false;
    const running = room.run().finally(() => (done = true));
    await sleep(500);
    expect(done).toBe(false);
    git.kill('SIGKILL');
    await ended;
    expect((await running).result).toMatchObject({ kind: 'done', commit: { message: 'two' } });
    expect(existsSync(mark)).toBe(false);
  });

  it('does not keep a task from being stopped', async () => {
    const { room } = await busyRoom();
    const host = await testTaskHost();
    const running = room.run({ host });
    await sleep(100);
    host.stop();
    expect((await running).result).toEqual({ kind: 'stopped' });
  });

  it('is not waited for where the mark is our own, or nothing works there any more', async () => {
    const own = await busyRoom();
    writeFileSync(own.mark, join(own.room.project, 'task_1'));
    expect((await own.room.run()).result.kind).toBe('done');
    const over = await busyRoom();
    over.git.kill('SIGKILL');
    await once(over.git, 'exit');
    expect((await over.room.run()).result.kind).toBe('done');
    expect(readdirSync(over.room.project).filter((name) => name.startsWith('.busy'))).toEqual([]);
  });
});

it('locks of a checkout that was ended with its runner are gone without a word', async () => {
  const repository = new TestRepository();
  const hash = repository.commit({ 'a.txt': 'one\n' }, 'one');
  const room = checkouts(repository.url);
  await room.run();
  const locks = ['index', 'HEAD', 'refs/heads/main'].map((name) => join(room.tree, '.git', `${name}.lock`));
  for (const lock of locks) writeFileSync(lock, '');
  const { lines, result } = await room.run({ host: await testTaskHost(undefined, true) });
  expect(result).toEqual({ kind: 'done', commit: { hash, message: 'one' } });
  expect(lines.join('\n')).not.toContain('lock');
});
