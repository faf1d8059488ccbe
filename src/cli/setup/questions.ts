/** The ways in which `setup` gets its answers; one implementation for a terminal, one for a pipe, one for neither. */
export interface Questions {
  /** A line of text; an empty answer is the default. Without a default it is asked until there is an answer. */
  text(question: TextQuestion): Promise<string>;
  confirm(message: string, byDefault: boolean): Promise<boolean>;
  /** Shows that something is being looked up; returns what ends the show. */
  progress(message: string): (result: string) => void;
  tell(message: string): void;
  /** A wrong answer can be given again; a pipe has no second one. */
  readonly canAskAgain: boolean;
}

export interface TextQuestion {
  message: string;
  byDefault?: string;
  /** Not shown while it is typed. */
  secret?: boolean;
  /** What is wrong with an answer; undefined: nothing. */
  validate?: (answer: string) => string | undefined;
}

/** Thrown when the user leaves in the middle (Ctrl-C). */
export class Cancelled extends Error {
  override name = 'Cancelled';
}
