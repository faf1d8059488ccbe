import { readFile } from 'node:fs/promises';
import { type Clock, messageOf, UserError } from '../../lib/index.ts';

/** What is older is read anew, milliseconds. */
const maxAgeMs = 60_000;

export interface TokenFileOptions {
  clock: Pick<Clock, 'now'>;
  /** Used while the file cannot be read and never could. @default none */
  fallback?: string | undefined;
}

/**
 * A bearer token in a file that somebody else renews: a kubelet, or a helper beside this program. As client-go has it, the file is read again
 * once a minute, and at once when the API did not accept what was in it.
 */
export class TokenFile {
  readonly #path: string;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #fallback: string | undefined;
  #read: { token: string; at: number } | undefined;

  constructor(path: string, { clock, fallback }: TokenFileOptions) {
    this.#path = path;
    this.#clock = clock;
    this.#fallback = fallback;
  }

  /** Throws UserError when the file cannot be read and no token is known. */
  async token(): Promise<string> {
    const now = this.#clock.now();
    if (this.#read && now - this.#read.at < maxAgeMs) return this.#read.token;
    try {
      const token = (await readFile(this.#path, 'utf8')).trim();
      if (token === '') throw new UserError('it is empty');
      this.#read = { token, at: now };
      return token;
    } catch (error: unknown) {
      // It may be being replaced; the API tells when the old one is too old.
      const known = this.#read?.token ?? this.#fallback;
      if (known !== undefined) return known;
      throw new UserError(`the token file ${this.#path} cannot be used: ${messageOf(error)}`, { cause: error });
    }
  }

  /** To be called when the API has not accepted the token. */
  forget(): void {
    this.#read = undefined;
  }
}
