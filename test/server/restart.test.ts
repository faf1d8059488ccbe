import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';
import { job, ScriptedRunner } from './support/scripted-runner.ts';
import { TestServer } from './support/test-server.ts';

describe('a server that ends and starts again', () => {
  it('remembers runners, tasks, logs and ids', async () => {
    const server = await TestServer.start({
      project: { templates: [{ name: 'A', app: 'bash', playbook: 'x', repository: 'scripts' }] },
    });
    const runner = await ScriptedRunner.online(server, { registration: { name: 'eu', tags: [] } });
    const done = await server.createTask();
    await runner.put([job(done, 'success', ['line'])]);
    const running = await server.createTask();
    const waiting = await server.createTask();
    await runner.get();
    await runner.report(running, 'running', ['begun']);
    await server.restart();
    expect(await server.log(done)).toEqual([`Task #${done} is assigned to runner #${runner.id}`, 'line']);
    expect([await server.status(done), await server.status(running), await server.status(waiting)]).toEqual([
      'success',
      'running',
      'waiting',
    ]);
    expect((await runner.get()).CurrentJobs).toEqual([{ id: running, status: 'running' }]);
    expect((await runner.report(running, 'success', ['ended'])).json).toEqual({});
    expect(await runner.newJobs()).toEqual([waiting]);
    expect(await server.createTask()).toBe(waiting + 1);
  });

  it('gives objects the ids they had, whatever became of the file in between', async () => {
    const template = (name: string) => ({ name, app: 'bash', playbook: 'x', repository: 'scripts' });
    const server = await TestServer.start({ project: { templates: [template('A'), template('B'), template('C')] } });
    const ids = async () =>
      Object.fromEntries(
        (await server.call('GET', '/api/project/1/templates')).json.map(
          ({ name, id }: { name: string; id: number }) => [name, id],
        ),
      );
    expect(await ids()).toEqual({ A: 1, B: 2, C: 3 });
    await server.writeFile({ project: { templates: [template('D'), template('C'), template('A')] } });
    await server.restart();
    expect(await ids()).toEqual({ A: 1, C: 3, D: 4 });
    await server.writeFile({ project: { templates: [template('B'), { id: 9, ...template('A') }, template('E')] } });
    await server.restart();
    expect(await ids()).toEqual({ A: 9, B: 2, E: 10 });
    await server.writeFile({ project: { templates: [template('B'), { id: 2, ...template('F') }] } });
    await server.close();
    await expect(server.start()).rejects.toThrow('id 2 belongs to "B" since an earlier start');
  });

  it('makes its tokens once, for nobody else to read', async () => {
    const server = await TestServer.start({ file: { api_tokens: [], runners: {} } });
    const { apiToken, registrationToken, apiTokenFile = '', registrationTokenFile = '' } = server.running;
    expect((await readFile(apiTokenFile, 'utf8')).trim()).toBe(apiToken);
    for (const file of [apiTokenFile, registrationTokenFile]) expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(
      (await fetch(`${server.url}/api/projects`, { headers: { authorization: `Bearer ${apiToken}` } })).status,
    ).toBe(200);
    await server.restart();
    expect(server.running).toMatchObject({ apiToken, registrationToken });
  });

  it('is alone in its data directory', async () => {
    const server = await TestServer.start();
    await expect(TestServer.start({ directory: server.directory })).rejects.toThrow(
      /another server \(process \d+\) uses the directory/,
    );
  });
});

describe('a server that is killed', () => {
  let script: string;

  beforeAll(async () => {
    script = join(import.meta.dirname, '../../.cache', `server-child-${process.pid}.cjs`);
    await build({
      stdin: {
        contents: `import { startServer } from './src/server/index.ts';
          const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
          void startServer({ configFile: process.argv[2], logger: quiet }).then(({ url }) => process.send(url));`,
        resolveDir: join(import.meta.dirname, '../..'),
        loader: 'ts',
      },
      outfile: script,
      bundle: true,
      platform: 'node',
      format: 'cjs',
      mainFields: ['module', 'main'],
      external: ['bufferutil', 'utf-8-validate'],
      define: { 'import.meta.dirname': '__dirname' },
      logLevel: 'error',
    });
    return async () => {
      const { rm } = await import('node:fs/promises');
      await rm(script, { force: true });
    };
  });

  async function run(file: string): Promise<{ child: ChildProcess; url: string }> {
    const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const url = await new Promise<string>((resolve, reject) => {
      child.once('message', (message) => resolve(typeof message === 'string' ? message : ''));
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
    });
    return { child, url };
  }

  async function kill(child: ChildProcess): Promise<void> {
    const ended = new Promise((resolve) => {
      child.once('exit', resolve);
    });
    child.kill('SIGKILL');
    await ended;
  }

  it('with SIGKILL, again and again, loses nothing that it has answered', async () => {
    const directory = tempDir();
    const file = join(directory, 'server.yaml');
    const token = 'test-api-token-0123456789';
    await writeFile(
      file,
      JSON.stringify({
        listen: '127.0.0.1:0',
        api_tokens: [{ name: 't', token }],
        runners: { registration_token: 'reg' },
        projects: [
          {
            name: 'P',
            repositories: [{ name: 'r', git_url: '/srv/r' }],
            templates: [{ name: 'T', app: 'bash', playbook: 'x', repository: 'r', allow_parallel_tasks: true }],
          },
        ],
      }),
    );
    let { child, url } = await run(file);
    const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return text === '' ? undefined : JSON.parse(text);
    };
    const runner = {
      'x-runner-token': (
        await call('POST', '/api/internal/runners', { registration_token: 'reg', max_parallel_tasks: 0 })
      ).token,
    };
    const expected = new Map<number, { status: string; lines: string[] }>();
    let stamp = 0;
    for (let round = 0; round < 4; round += 1) {
      for (let count = 0; count < 5; count += 1) {
        const { id } = await call('POST', '/api/project/1/tasks', { template_id: 1 });
        await call('GET', '/api/internal/runners', undefined, runner);
        const lines = [`a${id}`, `b${id}`];
        const status = count % 2 === 0 ? 'success' : 'running';
        const records = lines.map((message) => ({
          time: `2026-01-01T00:00:00.${String((stamp += 1)).padStart(9, '0')}Z`,
          message,
        }));
        const report = { Jobs: [{ ID: id, Status: status, LogRecords: records, Commit: null }] };
        await call('PUT', '/api/internal/runners', report, runner);
        if (count === 1) {
          // The answer was lost: after the restart the same records come again, with one more.
          await kill(child);
          ({ child, url } = await run(file));
          records.push({ time: `2026-01-01T00:00:00.${String((stamp += 1)).padStart(9, '0')}Z`, message: `c${id}` });
          lines.push(`c${id}`);
          await call('PUT', '/api/internal/runners', report, runner);
        }
        expected.set(id, { status, lines });
      }
      await kill(child);
      ({ child, url } = await run(file));
    }
    for (const [id, { status, lines }] of expected) {
      expect((await call('GET', `/api/project/1/tasks/${id}`)).status).toBe(status);
      const output = await call('GET', `/api/project/1/tasks/${id}/output`);
      expect(output.slice(1).map(({ output: line }: { output: string }) => line)).toEqual(lines);
    }
    expect([...expected.keys()]).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  });
});
