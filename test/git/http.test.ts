import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TestRepository } from '../support/git-repository.ts';
import { startGitHttp } from '../support/git-http.ts';
import { tempDir } from '../support/temp-dir.ts';
import { testTaskHost } from '../support/task-host.ts';
import { checkouts } from './support.ts';

const secret = "p@ss/w0rd:%41'$x";

async function served(options: { login?: string; failures?: number[] } = {}) {
  const root = tempDir();
  const repository = new TestRepository(join(root, 'group'));
  const hash = repository.commit({ 'site.yml': 'x\n' }, 'one');
  const { login, failures } = options;
  const credentials = login === undefined ? undefined : { login, password: secret };
  const server = await startGitHttp({
    root,
    ...(credentials ? { credentials } : {}),
    ...(failures ? { failures } : {}),
  });
  return { repository, server, url: `${server.origin}/group/origin.git`, hash };
}

/** Every file below `directory`, as text. */
function everything(directory: string): string {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => `${path}\n${readFileSync(path, 'latin1')}`)
    .join('\n');
}

describe('a repository over http', () => {
  it('is read without credentials where it needs none', async () => {
    const { url, hash } = await served();
    const room = checkouts(url);
    expect((await room.run()).result).toEqual({ kind: 'done', commit: { hash, message: 'one' } });
    expect((await room.run()).lines[0]).toBe(`Updating Repository ${url}`);
  });

  it('is opened with login and password, which are in no argument, environment, file or log line', async () => {
    const { url, server, hash } = await served({ login: 'alice' });
    const room = checkouts(url);
    const credentials = { kind: 'password', login: 'alice', password: secret } as const;
    const run = await room.run({ credentials });
    expect(run.result).toEqual({ kind: 'done', commit: { hash, message: 'one' } });
    expect((await room.run({ credentials })).result.kind).toBe('done');
    expect(server.requests.some(({ authorization }) => authorization === `alice:${secret}`)).toBe(true);
    const forms = [secret, encodeURIComponent(secret), Buffer.from(`alice:${secret}`).toString('base64')];
    for (const form of forms) {
      expect(JSON.stringify(run.task.steps)).not.toContain(form);
      expect(everything(room.project)).not.toContain(form);
      expect(run.lines.join('\n')).not.toContain(form);
    }
    expect(readdirSync(join(room.project, 'task_1'))).toEqual([]);
  });

  it('is opened with a token that has no login', async () => {
    const { url, server } = await served({ login: 'x-token-auth' });
    const { result } = await checkouts(url).run({ credentials: { kind: 'password', login: '', password: secret } });
    expect(result.kind).toBe('done');
    expect(server.requests.length).toBeGreaterThan(0);
  });

  it('is opened with credentials written into its URL, which are taken out of it', async () => {
    const { url } = await served({ login: 'bob' });
    const written = url.replace('://', `://bob:${encodeURIComponent(secret)}@`);
    const room = checkouts(written);
    const { result, lines, task } = await room.run();
    expect(result.kind).toBe('done');
    expect(lines[0]).toBe(`Cloning Repository ${url}`);
    expect(JSON.stringify(task.steps)).not.toContain(encodeURIComponent(secret));
    expect(everything(room.project)).not.toContain(encodeURIComponent(secret));
  });

  it('tells refused credentials from missing ones, and does not try again', async () => {
    const { url } = await served({ login: 'alice' });
    const room = checkouts(url);
    const refused = await room.run({
      attempts: 3,
      credentials: { kind: 'password', login: 'alice', password: 'wrong-password' },
    });
    expect(refused.result).toEqual({ kind: 'failed', reason: expect.stringContaining('refused the credentials') });
    expect(refused.lines.join('\n')).not.toContain('wrong-password');
    const missing = await room.run({ attempts: 3 });
    expect(missing.result).toEqual({ kind: 'failed', reason: expect.stringContaining('asks for credentials') });
    expect(missing.lines.join('\n')).not.toContain('retrying');
  });

  it('names a repository that does not exist', async () => {
    const { server } = await served();
    const { result } = await checkouts(`${server.origin}/group/none.git`).run();
    expect(result).toEqual({ kind: 'failed', reason: expect.stringContaining('does not exist') });
  });

  it('tries again when the server is busy', async () => {
    const { url } = await served({ failures: [503, 502] });
    const slept: number[] = [];
    const { result } = await checkouts(url).run({
      attempts: 4,
      clock: { now: () => 0, random: () => 0, sleep: async (ms) => void slept.push(ms) },
    });
    expect(result.kind).toBe('done');
    expect(slept).toEqual([1000, 2000]);
  });

  it('gives its credentials to a submodule of the same server, and to no other server', async () => {
    const { url, repository, server } = await served({ login: 'alice' });
    const other = await served({ login: 'alice' });
    const inner = new TestRepository(join(repository.bare, '..', '..', 'inner'));
    inner.commit({ leaf: '1' });
    repository.git('submodule', '--quiet', 'add', '../../inner/origin.git', 'inner');
    repository.commit({}, 'with a submodule');
    const room = checkouts(url);
    const credentials = { kind: 'password', login: 'alice', password: secret } as const;
    expect((await room.run({ credentials })).result.kind).toBe('done');
    expect(readFileSync(join(room.tree, 'inner', 'leaf'), 'utf8')).toBe('1');

    repository.git('config', '-f', '.gitmodules', 'submodule.inner.url', other.url);
    repository.commit({}, 'elsewhere');
    // A checkout that has the submodule's commit already would not ask at all.
    const { result } = await checkouts(url).run({ credentials });
    expect(result.kind).toBe('failed');
    expect(other.server.requests.length).toBeGreaterThan(0);
    expect(other.server.requests.every(({ authorization }) => authorization === undefined)).toBe(true);
    expect(server.requests.length).toBeGreaterThan(0);
  });

  it('ends when the task is stopped while the credentials are waiting', async () => {
    const { url } = await served({ login: 'alice' });
    const task = await testTaskHost((step) => step.key === 'clone-fetch' && task.stop());
    const room = checkouts(url);
    const credentials = { kind: 'password', login: 'alice', password: secret } as const;
    expect((await room.run({ credentials, host: task })).result).toEqual({ kind: 'stopped' });
    expect(readdirSync(join(room.project, 'task_1'))).toEqual([]);
  });
});
