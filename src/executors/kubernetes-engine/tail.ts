/** The last bytes of what is pushed. */
export class Tail {
  readonly #maxBytes: number;
  #bytes = Buffer.alloc(0);

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  push(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]).subarray(-this.#maxBytes);
  }

  text(): string {
    return this.#bytes.toString('utf8');
  }
}
