import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface SeenRequest {
  method: string;
  path: string;
  token: string | undefined;
  body: unknown;
}

export interface RegisterServer {
  url: string;
  requests: SeenRequest[];
  /** Answers of the next registrations instead of a token, first one first. */
  refusals: { status: number; body: string }[];
  /** Called when a token was given out, before the answer is sent. */
  onRegistered?: () => void;
  /** Tokens that are known. */
  tokens: Set<string>;
}

/** A server that knows registration, deletion and reports, and nothing else (spec 3.4, 3.6, 3.8). Registration token: `good`. */
export async function startRegisterServer(): Promise<RegisterServer> {
  const state: RegisterServer = { url: '', requests: [], refusals: [], tokens: new Set() };
  const server = createServer((request, response) => void answer(request, response, state));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  state.url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  return state;
}

async function answer(request: IncomingMessage, response: ServerResponse, state: RegisterServer): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  const token = request.headers['x-runner-token'];
  const body: unknown = text === '' ? undefined : JSON.parse(text);
  state.requests.push({ method: request.method ?? '', path: request.url ?? '', token: token?.toString(), body });
  const send = (status: number, json: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(json === undefined ? undefined : JSON.stringify(json));
  };
  if (request.url === '/api/ping') return void response.end('pong');
  if (request.url !== '/api/internal/runners') return send(404, { error: 'Not found' });
  if (request.method === 'POST') {
    const refusal = state.refusals.shift();
    if (refusal) return void response.writeHead(refusal.status).end(refusal.body);
    if ((body as { registration_token?: string }).registration_token !== 'good')
      return send(400, { error: 'Invalid registration token' });
    const fresh = `token-${String(state.tokens.size + 1)}=`;
    state.tokens.add(fresh);
    state.onRegistered?.();
    return send(200, { token: fresh });
  }
  if (!state.tokens.has(String(token))) return send(404, { error: 'Runner not found' });
  if (request.method === 'DELETE') {
    state.tokens.delete(String(token));
    return send(204, undefined);
  }
  return send(200, { current_jobs: [], new_jobs: [] });
}
