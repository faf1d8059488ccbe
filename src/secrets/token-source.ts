import { readFileSync, statSync } from 'node:fs';
import { loadRunnerConfig, type LoadedConfig } from '../config/index.ts';
import { messageOf } from '../lib/index.ts';
import { readKeychain } from './keychain.ts';
import { foundTokenHome, type TokenHome } from './token-store.ts';

/** The token of a running runner, which may be replaced meanwhile. */
export interface TokenSource {
  /** False when it came from where it cannot be replaced: the environment. */
  readonly mayChange: boolean;
  /** The token of now. A token file is looked at, which costs one system call; a new token in it is used at once. */
  current(): string;
  /** Looks again where it was found, also where that costs more; true when there is another token than `current` gave. */
  refresh(): Promise<boolean>;
}

export interface TokenSourceOptions {
  loaded: LoadedConfig;
  /** The token found at the start. */
  token: string;
  onChange: (token: string) => void;
  /** Told, once each, in a sentence, why a changed file is not used; the token before stays in use. */
  onWarning: (text: string) => void;
}

/** Where to look again for the token that `loaded` brought. */
export function openTokenSource(options: TokenSourceOptions): TokenSource {
  const { loaded } = options;
  const { tokenCredential } = loaded.config.runner;
  const home = foundTokenHome(loaded);
  if (tokenCredential !== undefined) return new FileToken(tokenCredential, options);
  if (home?.kind === 'file') return new FileToken(home.path, options);
  return new AskedToken(home, options);
}

/** Keeps the token in use, and tells of another one. */
class Holder {
  readonly #onChange: (token: string) => void;
  #token: string;

  constructor({ token, onChange }: TokenSourceOptions) {
    this.#token = token;
    this.#onChange = onChange;
  }

  get token(): string {
    return this.#token;
  }

  take(token: string | undefined): boolean {
    if (token === undefined || token === this.#token) return false;
    this.#token = token;
    this.#onChange(token);
    return true;
  }
}

class FileToken implements TokenSource {
  readonly mayChange = true;
  readonly #path: string;
  readonly #holder: Holder;
  readonly #onWarning: (text: string) => void;
  #version: string | undefined;
  #complaint: string | undefined;

  constructor(path: string, options: TokenSourceOptions) {
    this.#path = path;
    this.#holder = new Holder(options);
    this.#onWarning = options.onWarning;
  }

  current(): string {
    this.#look();
    return this.#holder.token;
  }

  async refresh(): Promise<boolean> {
    this.#version = undefined;
    return this.#look();
  }

  /** Synchronous, because a request is about to be sent with what is found. */
  #look(): boolean {
    try {
      const { ino, size, mtimeMs, ctimeMs } = statSync(this.#path);
      const version = `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
      if (version === this.#version) return false;
      const token = readFileSync(this.#path, 'utf8').trim();
      this.#version = version;
      if (/\s/.test(token)) return this.#complain('it holds more than one word');
      if (token === '') return this.#complain('it is empty');
      this.#complaint = undefined;
      return this.#holder.take(token);
    } catch (error: unknown) {
      // Also while it is being replaced by a program that removes it first.
      return this.#complain(messageOf(error));
    }
  }

  #complain(why: string): false {
    if (why !== this.#complaint) this.#onWarning(`the token file ${this.#path} cannot be used: ${why}`);
    this.#complaint = why;
    return false;
  }
}

/** A token in the configuration or the keychain is looked up only when the server refuses the one in use. */
class AskedToken implements TokenSource {
  readonly mayChange: boolean;
  readonly #home: TokenHome | undefined;
  readonly #holder: Holder;
  readonly #onWarning: (text: string) => void;

  constructor(home: TokenHome | undefined, options: TokenSourceOptions) {
    this.mayChange = home !== undefined;
    this.#home = home;
    this.#holder = new Holder(options);
    this.#onWarning = options.onWarning;
  }

  current(): string {
    return this.#holder.token;
  }

  async refresh(): Promise<boolean> {
    try {
      return this.#holder.take(await this.#ask());
    } catch (error: unknown) {
      this.#onWarning(messageOf(error));
      return false;
    }
  }

  async #ask(): Promise<string | undefined> {
    if (this.#home?.kind === 'keychain') return await readKeychain(this.#home.account);
    if (this.#home?.kind !== 'config') return undefined;
    const { config } = await loadRunnerConfig({ configPath: this.#home.path, env: {}, cwd: '/' });
    return config.runner.token;
  }
}
