/** What is kept at most, bytes; then whoever writes has to wait for the next command. */
const maxBytes = 1024 * 1024;

/** What line editors send to a terminal around their prompts. */
// oxlint-disable-next-line no-control-regex -- escape sequences begin with ESC
const promptEscapes = /\u001B\[\?(?:2004|1034)[hl]\r?/g;

/** What bash says when the end of input that was meant for a command has come to its prompt. */
const ignoredEnd = /^Use "\w+" to leave the shell\.\r?\n/gm;

/** What jobs in the background print while no command runs. It belongs to the next one: nothing is lost. */
export class EarlierOutput {
  readonly #events: { onFull: () => void };
  #parts: Buffer[] = [];
  #length = 0;

  constructor(events: { onFull: () => void }) {
    this.#events = events;
  }

  append(bytes: Buffer): void {
    this.#parts.push(Buffer.from(bytes));
    this.#length += bytes.length;
    if (this.#length >= maxBytes) this.#events.onFull();
  }

  /** Undefined when there is nothing but what the shell and its line editor have to say. */
  take(): Buffer | undefined {
    const text = Buffer.concat(this.#parts).toString('latin1').replace(promptEscapes, '').replace(ignoredEnd, '');
    this.#parts = [];
    this.#length = 0;
    return text === '' ? undefined : Buffer.from(text, 'latin1');
  }
}
