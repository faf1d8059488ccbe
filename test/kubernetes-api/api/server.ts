import type { IncomingMessage, ServerResponse } from 'node:http';
import { authorize, type Accounts } from './accounts.ts';
import { sendJson, type Call, type Cluster } from './context.ts';
import { answerPath } from './discovery.ts';
import { createObject, deleteMany, deleteOne, patchObject, updateObject } from './write.ts';
import { getObject, listObjects } from './read.ts';
import { sendLog } from './log.ts';
import { requestInfo } from './request-info.ts';
import { reviewAccess } from './review.ts';
import { ApiError, badRequest, internalError, noSuchPath } from './status.ts';
import { watchObjects } from './watch.ts';

/** Handles one HTTP request: who is it, may he, what goes wrong on purpose, then the answer. */
export async function handleRequest(
  cluster: Cluster,
  accounts: Accounts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const info = requestInfo(request);
    const account = accounts.authenticate(request);
    await cluster.faults.beforeRequest(info);
    authorize(account, info);
    if (info.kind === 'path') answerPath(cluster, info, response);
    else await answerResource({ cluster, account, info, request, response });
  } catch (error: unknown) {
    refuse(response, error);
  }
}

async function answerResource(call: Call): Promise<void> {
  const { info, response } = call;
  if (!info.type) throw noSuchPath();
  if (info.type.plural === 'selfsubjectaccessreviews') return reviewAccess(call);
  if (info.subresource === 'log') return sendLog(call);
  if (info.subresource === 'exec') throw badRequest('Upgrade request required');
  if (info.subresource !== '' && info.subresource !== 'status') throw noSuchPath();
  if (info.type.namespaced && info.namespace === '' && !['list', 'watch'].includes(info.verb)) throw noSuchPath();
  switch (info.verb) {
    case 'get':
      return getObject(call);
    case 'list':
      return listObjects(call);
    case 'watch':
      return watchObjects(call);
    case 'create':
      return createObject(call);
    case 'update':
      return updateObject(call);
    case 'patch':
      return patchObject(call);
    case 'delete':
      return deleteOne(call);
    case 'deletecollection':
      return deleteMany(call);
    default:
      sendJson(response, 405, methodNotAllowed().status);
  }
}

function methodNotAllowed(): ApiError {
  return new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}

/** Answers with the status of an error; what is none of the API's errors is a fault of the stand-in itself, and says so. */
export function refuse(response: ServerResponse, error: unknown): void {
  const { status } =
    error instanceof ApiError ? error : internalError(String(error instanceof Error ? error.stack : error));
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const retryAfter = status.details?.retryAfterSeconds;
  if (retryAfter !== undefined) response.setHeader('retry-after', String(retryAfter));
  if (status.code === 429 && retryAfter === undefined) response.setHeader('retry-after', '1');
  sendJson(response, status.code, status);
}
