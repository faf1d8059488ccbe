import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { ScriptedRunner } from './support/scripted-runner.ts';
import { apiToken, TestServer, type Json } from './support/test-server.ts';

interface Listening {
  messages: Json[];
  socket: WebSocket;
}

async function listen(server: TestServer): Promise<Listening> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/api/ws`, {
    headers: { authorization: `Bearer ${apiToken}` },
  });
  onTestFinished(() => socket.terminate());
  const messages: Json[] = [];
  socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString())));
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  return { messages, socket };
}

describe('the WebSocket', () => {
  it('pushes every change of a task and every line, to everybody who listens', async () => {
    const server = await TestServer.start();
    const runner = await ScriptedRunner.online(server);
    const [first, second] = [await listen(server), await listen(server)];
    const id = await server.createTask();
    await runner.get();
    await runner.report(id, 'running', ['one', '\u001b[1mtwo']);
    await runner.report(id, 'success');
    const of = (type: string) => first.messages.filter((message) => message.type === type);
    await expect.poll(() => of('update').at(-1)?.status).toBe('success');
    expect(of('update').map(({ status }) => status)).toEqual(['waiting', 'starting', 'running', 'success']);
    expect(of('update').at(-1)).toEqual({
      type: 'update',
      project_id: 1,
      task_id: id,
      template_id: 1,
      status: 'success',
      start: expect.any(String),
      end: expect.any(String),
      version: null,
    });
    expect(of('log').map(({ output }) => output)).toEqual([
      `Task #${id} is assigned to runner #${runner.id}`,
      'one',
      '\u001b[1mtwo',
    ]);
    expect(of('log')[1]).toEqual({ type: 'log', project_id: 1, task_id: id, time: expect.any(String), output: 'one' });
    expect(second.messages).toEqual(first.messages);
  });

  it('does not repeat what a runner sends twice', async () => {
    const server = await TestServer.start();
    const runner = await ScriptedRunner.online(server);
    const { messages } = await listen(server);
    const id = await server.createTask();
    const body = {
      ID: id,
      Status: 'running',
      LogRecords: [{ time: '2026-06-01T12:00:00.1Z', message: 'once' }],
      Commit: null,
    };
    await runner.put([body]);
    await runner.put([body]);
    await runner.report(id, 'success');
    await expect.poll(() => messages.at(-1)?.status).toBe('success');
    expect(messages.filter(({ output }) => output === 'once')).toHaveLength(1);
  });

  it('is refused without a token', async () => {
    const server = await TestServer.start();
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/api/ws`);
    const error = await new Promise<Error>((resolve) => {
      socket.once('error', resolve);
    });
    expect(error.message).toContain('401');
  });

  it('lets the server end', async () => {
    const server = await TestServer.start();
    const { socket } = await listen(server);
    const closed = new Promise<number>((resolve) => {
      socket.once('close', resolve);
    });
    await server.close();
    expect(await closed).toBe(1001);
  });
});
