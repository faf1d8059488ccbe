import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { type Guard, RefusedRequest, type Reply, type RequestContext, type Router, text } from '../../http/index.ts';
import { codeOf, messageOf, UserError } from '../../lib/index.ts';
import { type JobRequest, readJobRequest } from '../../protocol/ci/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { JobDesk } from './job-desk.ts';
import { createStrictRouter } from './strict-router.ts';

export interface HostedRoutesOptions {
  desk: JobDesk;
  authentication: Guard;
  version: string;
  agentLogFile: string | undefined;
  logger: Logger;
}

/** The endpoints of `agent serve` (spec CI 3.3–3.5), with the bodies that clients of the original compare. */
export function createHostedRouter(options: HostedRoutesOptions): Pick<Router, 'serve'> {
  const { desk, authentication, version, agentLogFile, logger } = options;
  const router = createStrictRouter({
    guard: authentication,
    onError: (error, { method, path }) => logger.error('A request failed', { method, path, error: messageOf(error) }),
  });
  const stop = (): Reply => {
    desk.stop();
    return { status: 200 };
  };

  router.route('GET', '/is_alive', () => text('yes'), { guard: null });
  router.route('GET', '/status', () => {
    const state = desk.hasJob ? 'job-received' : 'waiting-for-job';
    return text(JSON.stringify({ state, version }));
  });
  router.route('POST', '/jobs', (context) => runJob(context, desk, logger));
  router.route('GET', '/jobs/:jobId/log', (context) => sendLog(context, desk));
  router.route('POST', '/stop', stop);
  router.route('POST', '/jobs/terminate', stop);
  router.route('GET', '/agent_logs', () => sendAgentLog(agentLogFile));
  return router;
}

async function runJob(context: RequestContext, desk: JobDesk, logger: Logger): Promise<Reply> {
  let body: string;
  try {
    body = (await context.body()).toString('utf8');
  } catch (error: unknown) {
    return plainError(messageOf(error), error instanceof RefusedRequest && error.status === 413 ? 413 : 500);
  }
  let request: JobRequest;
  try {
    request = readJobRequest(parseJson(body));
  } catch (error: unknown) {
    logger.warn('A request to run a job was refused', { error: messageOf(error) });
    return doubleError(messageOf(error), 422);
  }
  try {
    const acceptance = await desk.accept(request);
    switch (acceptance) {
      case 'accepted':
        return message('ok');
      case 'same-job':
        return message('job is already running');
      case 'other-job':
        return message('another job is already running', 422);
      case 'ending':
        return message('the agent is shutting down', 503);
    }
  } catch (error: unknown) {
    logger.error('The job cannot be built', { job: request.jobId, error: messageOf(error) });
    return doubleError(messageOf(error), 500);
  }
}

function sendLog({ params, query, headers }: RequestContext, desk: JobDesk): Reply {
  const { jobId = '' } = params;
  try {
    const found = desk.readLog(jobId, lineNumber(query.get('start_from')));
    if (found.kind === 'no-job') return message(`job ${jobId} is not running`, 404);
    if (found.kind === 'other-job') return message(`job ${jobId} is not running`, 403);
    // Not when it breaks off: whoever archives the log asks again.
    if (headers['x-client-name'] === 'archivator') found.lines.once('end', () => desk.archived());
    return { status: 200, headers: { 'content-type': 'text/plain' }, body: found.lines };
  } catch (error: unknown) {
    return plainError(messageOf(error), 500);
  }
}

/** What is in the file now, not what the request itself adds to it. */
async function sendAgentLog(path: string | undefined): Promise<Reply> {
  if (path === undefined) return plainError('the agent does not write its log to a file', 404);
  try {
    const file = await open(path, 'r');
    const { size } = await file.stat();
    const body: Readable | string = size === 0 ? '' : file.createReadStream({ end: size - 1 });
    if (size === 0) await file.close();
    return { status: 200, headers: { 'content-type': 'text/plain' }, body };
  } catch (error: unknown) {
    return plainError(messageOf(error), codeOf(error) === 'ENOENT' ? 404 : 500);
  }
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    // The parser's own text quotes the body, which holds secrets.
    throw new UserError('the job request is not valid JSON');
  }
}

/** Anything but a line number means the first line. */
function lineNumber(given: string | null): number {
  return given !== null && /^\+?\d{1,15}$/.test(given) ? Number(given) : 0;
}

/** `{"message": "ok"}`, with the space that clients compare. */
function messageBody(words: string): string {
  return `{"message": ${JSON.stringify(words)}}`;
}

function message(words: string, status = 200): Reply {
  return text(messageBody(words), status);
}

function plainError(words: string, status: number, more = ''): Reply {
  return text(`${words}\n${more}`, status);
}

/** An error twice, as the original writes it: as text, and as JSON. */
function doubleError(words: string, status: number): Reply {
  return plainError(words, status, messageBody(words));
}
