import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Kubelet } from '../kubelet/kubelet.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { Account } from './accounts.ts';
import type { RequestFaults } from './faults.ts';
import type { ResourceRequest } from './request-info.ts';

/** What answers requests: the objects, the node that runs pods, and what tests let go wrong. */
export interface Cluster {
  /** Such as `v1.32.0`. */
  version: string;
  store: ObjectStore;
  kubelet: Kubelet;
  faults: RequestFaults;
  bookmarkMs: number;
}

/** One request about objects. */
export interface Call {
  cluster: Cluster;
  account: Account;
  info: ResourceRequest;
  request: IncomingMessage;
  response: ServerResponse;
}

export function sendJson(response: ServerResponse, code: number, body: unknown): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(code, { 'content-type': 'application/json', 'content-length': bytes.length });
  response.end(bytes);
}
