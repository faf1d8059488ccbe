import { setTimeout as delay } from 'node:timers/promises';
import type { Answer, Exchange, Fault } from './proxy.ts';

/**
 * The ways in which servers, proxies and networks fail. `stored: true` means that the server gets the request first: only
 * its answer is spoilt, and the sender cannot know.
 */
export interface SpoiltAnswer {
  /** @default false */
  stored?: boolean;
}

const jsonType = { 'content-type': 'application/json' };

function answer(code: number, headers: Readonly<Record<string, string>>, body: string): Answer {
  return { status: code, headers, body: Buffer.from(body) };
}

async function forwardIf({ stored = false }: SpoiltAnswer, exchange: Exchange): Promise<void> {
  if (stored) await exchange.forward();
}

/** Passes the request and its answer, `ms` milliseconds later. */
export function latency(ms: number): Fault {
  return async (exchange) => {
    await delay(ms, undefined, { signal: exchange.gone });
    exchange.reply(await exchange.forward());
  };
}

/** Takes the request and never answers. */
export function silence(options: SpoiltAnswer = {}): Fault {
  return (exchange) => forwardIf(options, exchange);
}

/** An answer whose bytes come one by one, `ms` milliseconds apart. */
export function slowAnswer(ms: number): Fault {
  return async (exchange) => {
    const { body } = await exchange.forward();
    const bytes = Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n'), body]);
    for (let index = 0; index < bytes.length; index += 1) {
      exchange.socket.write(bytes.subarray(index, index + 1));
      await delay(ms, undefined, { signal: exchange.gone });
    }
    exchange.socket.end();
  };
}

/** Refuses with a status; the server does not hear of it. */
export function status(code: number, headers: Readonly<Record<string, string>> = {}): Fault {
  return ({ reply }) => reply(answer(code, { ...jsonType, ...headers }, '{"error":"ordered by a test"}'));
}

/** Refuses as a Semaphore server does that does not know the token (spec 3.2). */
export function unknownRunner(): Fault {
  return ({ reply }) => reply(answer(404, jsonType, '{"error":"Runner not found"}'));
}

/** Refuses requests with a body above `bytes`. */
export function tooLarge(bytes: number): Fault {
  return async ({ request, reply, forward }) => {
    if (Buffer.byteLength(request.body) <= bytes) reply(await forward());
    else reply(answer(413, { 'content-type': 'text/html' }, '<html><title>413 Request Entity Too Large</title>'));
  };
}

/** Answers with a web page. */
export function html(code: number, title: string): Fault {
  return ({ reply }) =>
    reply(answer(code, { 'content-type': 'text/html' }, `<!doctype html><html><title>${title}</title></html>`));
}

/** Answers 200 with a text of which nothing is known. */
export function text(body: string, type = 'text/plain'): Fault {
  return ({ reply }) => reply(answer(200, { 'content-type': type }, body));
}

/** Answers 200 with the first half of a JSON, complete as far as HTTP can tell. */
export function halfJson(options: SpoiltAnswer = {}): Fault {
  return async (exchange) => {
    await forwardIf(options, exchange);
    exchange.reply(answer(200, jsonType, '{"CurrentJobs":[{"id":1,"sta'));
  };
}

/** Cuts the connection in the middle of an answer: shorter than its `content-length`, or a chunk that breaks off. */
export function cutAnswer(options: SpoiltAnswer & { chunked?: boolean } = {}): Fault {
  return async (exchange) => {
    await forwardIf(options, exchange);
    const length = options.chunked === true ? 'transfer-encoding: chunked' : 'content-length: 1000';
    const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n${length}\r\n\r\n`;
    exchange.socket.end(`${head}${options.chunked === true ? '3e8\r\n' : ''}{"CurrentJobs":null,`);
  };
}

/** Resets the connection: before the server got the request, or (`stored`) instead of the answer. */
export function reset(options: SpoiltAnswer = {}): Fault {
  return async (exchange) => {
    await forwardIf(options, exchange);
    exchange.socket.resetAndDestroy();
  };
}

/** Sends the runner elsewhere. */
export function redirect(code: number, location: string): Fault {
  return ({ reply }) => reply(answer(code, { location }, ''));
}

/** Delivers the request twice; the answer is the first or the second one. */
export function twice(which: 0 | 1): Fault {
  return async (exchange) => {
    const answers = [await exchange.forward(), await exchange.forward()] as const;
    exchange.reply(answers[which]);
  };
}

/** Delivers the request, but repeats the answer to an earlier one. */
export function replay(): Fault {
  return async (exchange) => {
    const { earlier } = exchange;
    const now = await exchange.forward();
    exchange.reply(earlier ?? now);
  };
}

/** Answers with bytes that are no HTTP. */
export function garbage(options: SpoiltAnswer = {}): Fault {
  return async (exchange) => {
    await forwardIf(options, exchange);
    exchange.socket.end(Buffer.from([0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46, 0xff, 0x00, 0x0a]));
  };
}
