import { Backoff, messageOf, RemoteError, type Clock } from '../lib/index.ts';
import { ProgressBody, type UiRunnerClient } from '../protocol/ui/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { Alarm } from './alarm.ts';
import type { ConnectionLog } from './connection-log.ts';
import type { Job, PendingReport } from './job.ts';
import { RequestSize } from './request-size.ts';
import { maxRetryAfterMs, waitAfter, wasAnswered } from './retry.ts';

export interface ReporterOptions {
  client: Pick<UiRunnerClient, 'report'>;
  clock: Clock;
  logger: Logger;
  connection: ConnectionLog;
  /** Jobs that may have something to say. */
  jobs: () => Iterable<Job>;
  /** Least time between two requests while nothing is urgent, milliseconds. */
  flushIntervalMs: number;
  /** A running task is reported at least this often, so that the server can answer that it gave the task up. */
  heartbeatMs: number;
  /** Upper bound of the log in a request, bytes of JSON. A single record may be larger. */
  maxRequestBytes: number;
  /** The server has the final status of these jobs. */
  onFinished: (jobs: Job[]) => void;
  /** The server has given these task ids up (spec 3.6, `terminated_jobs`). */
  onTerminated: (ids: readonly number[]) => void;
  /** Called after the first accepted report. */
  onConnected: () => void;
}

/** What every job may say in a request of ordinary size, bytes. */
const minShareBytes = 16 * 1024;

/** Milliseconds until a request of several megabytes is in the hands of the system. */
const requestHeadStartMs = 2;

const retry = { initialMs: 500, maxMs: 15_000 };

/**
 * Owns every PUT. All jobs share one request of bounded size; it goes out at once when something changed, at least
 * `flushIntervalMs` after the one before. A final status does not wait for that: it frees a slot and somebody looks at
 * it. Nor does the rest of a log that did not fit. What was not accepted stays where it is and is sent again.
 *
 *     idle ──news──▶ due ──timer──▶ sending ──accepted──▶ idle | due
 *                     ▲                └──failed──▶ backing off ──timer──▶ sending
 */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #backoff: Backoff;
  /** The body that is sent, and the one that is put together meanwhile. */
  #body = new ProgressBody();
  #nextBody = new ProgressBody();
  readonly #abort = new AbortController();
  readonly #alarm: Alarm;
  readonly #size: RequestSize;
  #sending = false;
  #dirty = true;
  #urgent = true;
  #connected = false;
  #lastSentAt = Number.NEGATIVE_INFINITY;
  #holdUntil = 0;
  /** The server itself, or something before it, has asked for the pause; not a broken connection. */
  #heldByAnswer = false;
  /** Position in the round robin, so that one chatty job cannot starve the others. */
  #turn = 0;
  /** After a rejected batch every job travels alone until all have passed. */
  #alone = 0;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#size = new RequestSize(options.maxRequestBytes, options);
    this.#backoff = new Backoff(retry, options.clock);
    this.#alarm = new Alarm(options.clock, () => void this.#send());
  }

  start(): void {
    this.#schedule();
  }

  /** Something changed. */
  notify(urgent: boolean): void {
    this.#dirty = true;
    if (urgent) this.#urgent = true;
    this.#schedule();
  }

  /** Reports every running task, news or not, because the answer is wanted. */
  heartbeatNow(): void {
    this.#lastSentAt = Number.NEGATIVE_INFINITY;
    this.#schedule();
  }

  /** The way to the server is open again: what waits because it was broken need not wait for its back-off. */
  connectionIsBack(): void {
    if (this.#holdUntil === 0 || this.#heldByAnswer) return;
    this.#holdUntil = 0;
    this.#schedule();
  }

  stop(): void {
    this.#abort.abort();
    this.#alarm.clear();
  }

  #schedule(): void {
    if (this.#sending || this.#abort.signal.aborted) return;
    this.#alarm.clear();
    const now = this.#options.clock.now();
    // The wall clock may have been set back: what was a moment ago must not be an hour ahead.
    this.#lastSentAt = Math.min(this.#lastSentAt, now);
    this.#holdUntil = Math.min(this.#holdUntil, now + maxRetryAfterMs);
    const due = this.#dueAt();
    if (due === undefined) return;
    const wait = Math.max(due, this.#holdUntil) - now;
    if (wait <= 0) void this.#send();
    else this.#alarm.set(wait);
  }

  #dueAt(): number | undefined {
    if (this.#urgent) return 0;
    if (this.#dirty) return this.#lastSentAt + this.#options.flushIntervalMs;
    for (const job of this.#options.jobs()) {
      if (job.state === 'active') return this.#lastSentAt + this.#options.heartbeatMs;
    }
    return undefined;
  }

  async #send(): Promise<void> {
    if (this.#sending || this.#abort.signal.aborted) return;
    this.#sending = true;
    const heartbeat = !this.#dirty || !this.#connected;
    this.#dirty = false;
    this.#urgent = false;
    try {
      const pending = this.#collect(this.#body, heartbeat);
      if (pending.length > 0 || !this.#connected) await this.#put(pending);
      // A task that was given up says nothing while it ends.
      else this.#lastSentAt = this.#options.clock.now();
    } catch (error: unknown) {
      // A log that cannot be read just now (a disk that fails, too many open files) must not end the runner.
      this.#options.logger.error('Cannot put the progress report together; trying again', {
        context: 'sending_progress',
        error: messageOf(error),
      });
      this.#dirty = true;
      this.#heldByAnswer = false;
      this.#holdUntil = this.#options.clock.now() + this.#backoff.next();
    } finally {
      this.#sending = false;
      this.#schedule();
    }
  }

  /** Writes a report into `body`, beyond what `before` has on its way. */
  #collect(body: ProgressBody, heartbeat: boolean, before: readonly PendingReport[] = []): PendingReport[] {
    const jobs = [...this.#options.jobs()].filter((job) => job.state === 'active' || job.state === 'ended');
    const pending: PendingReport[] = [];
    body.reset();
    this.#turn = jobs.length === 0 ? 0 : this.#turn % jobs.length;
    const requestBytes = this.#size.bytes;
    let room = requestBytes;
    for (let index = 0; index < jobs.length; index += 1) {
      const job = jobs[(this.#turn + index) % jobs.length];
      if (!job) continue;
      if (room <= 0 || (this.#alone > 0 && pending.length > 0)) {
        this.#dirty = true;
        continue;
      }
      // Every job still to come is left a share of the request.
      const share = Math.max(Math.min(minShareBytes, requestBytes), Math.floor(room / (jobs.length - index)));
      const length = body.writer.length;
      const onItsWay = before.find((entry) => entry.job === job);
      const limits = { bytes: this.#alone > 0 ? room : share, lineBytes: requestBytes };
      const report = job.report(body, limits, heartbeat, onItsWay);
      if (!report) continue;
      pending.push(report);
      room -= body.writer.length - length;
    }
    this.#turn += 1;
    return pending;
  }

  /** Sends a report, and as long as more of a log is ready than fitted, the next ones right behind it. */
  async #put(first: PendingReport[]): Promise<void> {
    let pending: PendingReport[] | undefined = first;
    while (pending && !this.#abort.signal.aborted) {
      const sent: PendingReport[] = pending;
      this.#lastSentAt = this.#options.clock.now();
      const body = this.#body.finish();
      const answer = this.#options.client.report(body, this.#abort.signal);
      const [answered, prepared] = await Promise.allSettled([answer, this.#prepareNext(sent)]);
      if (answered.status === 'rejected') {
        if (!this.#abort.signal.aborted) this.#failed(answered.reason, sent, body.length);
        return;
      }
      const { terminatedJobs } = answered.value;
      this.#accepted(sent, terminatedJobs);
      // What the server does not want any more is not sent behind. A fault in preparing shows again in the next round.
      pending = terminatedJobs.length === 0 && prepared.status === 'fulfilled' ? prepared.value : undefined;
      [this.#body, this.#nextBody] = [this.#nextBody, this.#body];
    }
  }

  /** While the server reads one report of a long log, the next is put together. */
  async #prepareNext(sent: readonly PendingReport[]): Promise<PendingReport[] | undefined> {
    if (this.#alone > 0 || !sent.some((entry) => entry.more)) return undefined;
    // The request must get out of the door before this keeps the thread busy.
    await this.#options.clock.sleep(requestHeadStartMs);
    const next = this.#collect(this.#nextBody, false, sent);
    return next.length > 0 ? next : undefined;
  }

  #accepted(pending: PendingReport[], terminated: readonly number[]): void {
    this.#backoff.reset();
    this.#holdUntil = 0;
    this.#options.connection.succeeded('report');
    this.#size.passed();
    if (this.#alone > 0) this.#alone -= 1;
    const finished = pending.filter((entry) => entry.job.acknowledge(entry)).map((entry) => entry.job);
    if (pending.some((entry) => entry.more)) this.#dirty = this.#urgent = true;
    if (!this.#connected) {
      this.#connected = true;
      this.#options.onConnected();
    }
    if (finished.length > 0) this.#options.onFinished(finished);
    if (terminated.length > 0) this.#options.onTerminated(terminated);
  }

  #failed(error: unknown, pending: PendingReport[], bytes: number): void {
    this.#dirty = true;
    const remote = error instanceof RemoteError ? error : undefined;
    // The size that passes is found quickly; there is nothing to wait for.
    if (remote?.kind === 'too_large' && this.#size.refused(bytes)) {
      this.#urgent = true;
      return;
    }
    if (remote?.kind === 'rejected' && remote.status === 400 && pending.length > 1) {
      // One job may make the server refuse the batch (spec 3.6): find it by sending each alone.
      this.#alone = pending.length;
      this.#urgent = true;
    }
    const { clock, connection } = this.#options;
    connection.failed('report', error);
    this.#heldByAnswer = wasAnswered(error);
    this.#holdUntil = clock.now() + waitAfter(error, this.#backoff.next(), connection.refused.aborted);
  }
}
