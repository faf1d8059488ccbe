import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError, forbidden } from './status.ts';
import type { ResourceRequest, RequestInfo } from './request-info.ts';

/** Which requests a fault is for; what is not given is not looked at. */
export interface Match {
  verb?: string;
  resource?: string;
  subresource?: string;
  name?: string;
}

export interface AnswerFault extends Match {
  /** Such as 429, 500, 503. */
  code: number;
  reason?: string;
  message?: string;
  /** Seconds, for `Retry-After`. */
  retryAfter?: number;
  /** How many requests get the answer. @default all until the fault is lifted */
  times?: number;
}

/** Ends a fault; safe twice. */
export type Lift = () => void;

/** What goes wrong on request of a test. Every method gives the function that ends the fault. */
export class RequestFaults {
  #answers: (AnswerFault & { left: number })[] = [];
  #denials: (Match & { text: string; code: number })[] = [];
  #delays: (Match & { ms: number })[] = [];
  #quotas: { namespace: string; name: string; pods: number }[] = [];

  /** Answers requests with an error instead of doing what they ask. */
  answer(fault: AnswerFault): Lift {
    return added(this.#answers, { ...fault, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  /** Answers late. */
  delay(match: Match & { ms: number }): Lift {
    return added(this.#delays, match);
  }

  /** An admission webhook that refuses what is created or changed. */
  denyAdmission(match: Match & { webhook?: string; message: string; code?: number }): Lift {
    const text = `admission webhook "${match.webhook ?? 'policy.example.test'}" denied the request: ${match.message}`;
    return added(this.#denials, { ...match, text, code: match.code ?? 400 });
  }

  /** At most so many pods in a namespace. */
  quota(namespace: string, limits: { pods: number; name?: string }): Lift {
    return added(this.#quotas, { namespace, name: limits.name ?? 'quota', pods: limits.pods });
  }

  async beforeRequest(info: RequestInfo): Promise<void> {
    for (const { ms } of this.#delays.filter((match) => isMeant(match, info))) await sleep(ms);
    const fault = this.#answers.find((match) => match.left > 0 && isMeant(match, info));
    if (!fault) return;
    fault.left -= 1;
    const { code, retryAfter } = fault;
    const known = code === 429 ? 'TooManyRequests' : code === 503 ? 'ServiceUnavailable' : 'InternalError';
    const message = fault.message ?? (code === 429 ? 'too many requests' : 'fault of the stand-in');
    const details = retryAfter === undefined ? {} : { retryAfterSeconds: retryAfter };
    throw new ApiError(code, fault.reason ?? known, message, details);
  }

  /** Throws when an object may not be made. `used` counts the pods of the namespace that have not ended. */
  beforeCreate(info: ResourceRequest, name: string, used: () => number): void {
    this.beforeChange(info, name);
    const quota = this.#quotas.find(({ namespace }) => namespace === info.namespace);
    if (info.plural !== 'pods' || !quota || used() < quota.pods) return;
    const numbers = `requested: pods=1, used: pods=${used()}, limited: pods=${quota.pods}`;
    throw forbidden('pods', name, `exceeded quota: ${quota.name}, ${numbers}`);
  }

  beforeChange(info: ResourceRequest, name: string): void {
    const denial = this.#denials.find((match) => isMeant(match, { ...info, name }));
    if (denial) throw new ApiError(denial.code, denial.code === 403 ? 'Forbidden' : 'BadRequest', denial.text);
  }
}

function isMeant(match: Match, info: RequestInfo): boolean {
  if (info.kind === 'path') {
    return match.resource === undefined && match.name === undefined && (match.verb ?? info.verb) === info.verb;
  }
  return (
    (match.verb ?? info.verb) === info.verb &&
    (match.resource ?? info.plural) === info.plural &&
    (match.subresource ?? info.subresource) === info.subresource &&
    (match.name ?? info.name) === info.name
  );
}

function added<T>(list: T[], item: T): Lift {
  list.push(item);
  return () => {
    const index = list.indexOf(item);
    if (index !== -1) list.splice(index, 1);
  };
}
