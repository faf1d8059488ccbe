// What a client of a Semaphore UI server does: start tasks through the REST API, watch them through the WebSocket.
import { setTimeout as delay } from 'node:timers/promises';
import { StepError } from '../setup/console.mjs';

const FINISHED = new Set(['success', 'error', 'stopped']);
const START_MS = 20_000;
const TASK_MS = 120_000;

export class Client {
  #url;
  #token;
  #socket;
  #listeners = new Set();
  #check;
  #closing = new AbortController();

  /** `check` throws when the server has died. */
  constructor({ url, token, check }) {
    this.#check = check;
    this.#url = url;
    this.#token = token;
  }

  /** Waits until the server answers. */
  async waitUntilReady() {
    const deadline = Date.now() + START_MS;
    for (;;) {
      this.#check();
      try {
        const response = await fetch(`${this.#url}/api/ping`, { signal: this.#within(1_000) });
        if (response.ok) return;
      } catch {
        // Not listening yet.
      }
      if (Date.now() > deadline)
        throw new StepError(`the server did not answer on ${this.#url} within ${START_MS / 1000} s`);
      await delay(50, undefined, { signal: this.#closing.signal });
    }
  }

  async request(method, path, body) {
    const [status, text] = await this.#exchange(method, path, body);
    if (status >= 300) throw new StepError(`${method} /api${path} answered ${status}: ${text.trim()}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  async #exchange(method, path, body) {
    try {
      const response = await fetch(`${this.#url}/api${path}`, {
        method,
        headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
        body: body === undefined ? null : JSON.stringify(body),
        signal: this.#within(10_000),
      });
      return [response.status, await response.text()];
    } catch (error) {
      // A server that has died says more about it, as soon as the system has told us.
      await delay(300, undefined, { signal: this.#closing.signal });
      this.#check();
      throw new StepError(`${method} /api${path} got no answer: ${error.cause?.message ?? error.message}`, {
        cause: error,
      });
    }
  }

  /** Opens the WebSocket on which the server pushes log lines and status changes. */
  async connect() {
    const { WebSocket } = await import('ws');
    const socket = new WebSocket(`${this.#url.replace('http', 'ws')}/api/ws`, {
      headers: { authorization: `Bearer ${this.#token}` },
    });
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    socket.addEventListener('message', ({ data }) => {
      const event = JSON.parse(data);
      for (const listener of this.#listeners) listener(event);
    });
    this.#socket = socket;
  }

  onEvent(listener) {
    this.#listeners.add(listener);
  }

  /** Resolves with the task once it is finished. The events are for show; the REST API has the last word. */
  async waitForTask(project, id) {
    const deadline = Date.now() + TASK_MS;
    for (;;) {
      this.#check();
      const task = await this.request('GET', `/project/${project}/tasks/${id}`);
      if (FINISHED.has(task.status)) return task;
      if (Date.now() > deadline) throw new StepError(`task ${id} is still ${task.status} after ${TASK_MS / 1000} s`);
      await delay(150, undefined, { signal: this.#closing.signal });
    }
  }

  /** Ends whatever is still waiting for an answer. */
  close() {
    this.#closing.abort();
    this.#socket?.terminate();
  }

  #within(ms) {
    return AbortSignal.any([this.#closing.signal, AbortSignal.timeout(ms)]);
  }
}
