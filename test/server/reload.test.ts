import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { announcement } from '../../src/server/index.ts';
import { ScriptedRunner } from './support/scripted-runner.ts';
import { apiToken, TestServer } from './support/test-server.ts';

const template = (name: string) => ({ name, app: 'bash', playbook: 'x', repository: 'scripts' });

describe('reading the server file again', () => {
  it('takes what is new and keeps what runs', async () => {
    const server = await TestServer.start({ project: { templates: [template('A'), template('B')] } });
    const runner = await ScriptedRunner.register(server);
    const running = await server.createTask();
    await runner.get();
    await runner.report(running, 'running');
    const orphan = await server.createTask({ template_id: 2 });
    await server.writeFile({
      project: { templates: [template('A'), template('C')] },
      file: { api_tokens: [{ name: 'new', token: 'another-token-0123456789' }] },
    });
    await server.running.reload();
    expect((await server.call('GET', '/api/projects')).status).toBe(401);
    const call = (path: string) =>
      server.call('GET', path, undefined, { authorization: 'Bearer another-token-0123456789' });
    expect((await call('/api/project/1/templates')).json.map(({ name }: { name: string }) => name)).toEqual(['A', 'C']);
    await runner.get();
    expect((await call(`/api/project/1/tasks/${running}`)).json.status).toBe('running');
    await expect.poll(async () => (await call(`/api/project/1/tasks/${orphan}`)).json.status).toBe('error');
    expect((await call(`/api/project/1/tasks/${orphan}/raw_output`)).text).toContain(
      'The task cannot be handed to a runner: the template "B" is no longer in the server file',
    );
  });

  it('fails a task whose template went away before it found a runner', async () => {
    const server = await TestServer.start({ project: { templates: [template('A'), template('B')] } });
    await ScriptedRunner.register(server);
    const id = await server.createTask({ template_id: 2 });
    await server.writeFile({ project: { templates: [template('A')] } });
    await server.running.reload();
    await expect.poll(() => server.status(id)).toBe('error');
    expect(await server.log(id)).toEqual(['The template "B" is no longer in the server file.']);
  });

  it('keeps the old file when the new one cannot be used', async () => {
    const server = await TestServer.start();
    await writeFile(server.file, 'projects: [{nme: x}]');
    await expect(server.running.reload()).rejects.toThrow('did you mean "name"?');
    expect((await server.call('GET', '/api/project/1/templates')).json).toHaveLength(3);
  });

  it('says what takes effect only with the next start', async () => {
    const server = await TestServer.start();
    await server.writeFile({ file: { listen: '127.0.0.1:1', api_tokens: [{ name: 'tester', token: apiToken }] } });
    await server.running.reload();
    expect(server.logged.join('\n')).toContain(
      'A change of the server file takes effect with the next start {"context":"server","key":"listen"}',
    );
  });
});

describe('what a server says of itself', () => {
  it('where it is, where its tokens are, and how a runner comes to it', async () => {
    const server = await TestServer.start({ file: { api_tokens: [], runners: {} } });
    const text = announcement(server.running).join('\n');
    expect(text).toContain(`listening on ${server.url}`);
    expect(text).toContain(`${server.file} (1 project, 3 templates, 0 schedules)`);
    expect(text).toContain(`in ${server.running.apiTokenFile}`);
    expect(text).toContain(
      `SEMAPHORE_WEB_ROOT=${server.url} SEMAPHORE_RUNNER_TOKEN_FILE=runner.token semaphore runner start --no-config --register --registration-token-file ${server.running.registrationTokenFile}`,
    );
    expect(text).not.toContain(server.running.apiToken);
    expect(text).not.toContain(server.running.registrationToken);
  });

  it('warns when it can be reached from elsewhere without TLS', async () => {
    const server = await TestServer.start({ file: { listen: '0.0.0.0:0' } });
    expect(server.running.warnings).toEqual([expect.stringContaining('without TLS')]);
    expect((await TestServer.start()).running.warnings).toEqual([]);
  });
});
